// SPDX-License-Identifier: GPL-2.0

//! The machine of the models of domains: one unit with one device, which reads one address whenever
//! it can, and caches what it finds, in the unit and, if it has one, in its own TLB. A second device,
//! which has no TLB, may be in the domain from the beginning: what it has filled the unit's cache with
//! answers the first one, too.

use crate::walker::{
    map,
    PAGE, //
};
use iommu_core::{
    ats::{
        Control,
        DeviceTlb,
        DeviceTlbs, //
    },
    domain::Domain,
    driver::{
        Driver,
        Limits,
        Scope, //
    },
    endpoint::Endpoint,
    group::{
        Group,
        Target, //
    },
    instance::{
        Instance,
        Tag, //
    },
    route::{
        Entry,
        Route, //
    },
    table::{
        Descriptor,
        PageTable, //
    }, //
};
use iommu_ext::{
    addr::Iova,
    fwnode,
    gather::Gather, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::smp_mb,
        Arc, //
    }, //
};
use pgtable::fmt::small;
use std::sync::{
    atomic::{
        AtomicBool,
        Ordering::SeqCst, //
    },
    Mutex, //
};

/// What the devices read.
pub const READS: Iova = Iova(PAGE);

/// Requester ID of the device.
const DEVICE: u32 = 1;
/// Requester ID of the second device.
const OTHER: u32 = 2;

/// The TLB of the device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tlb {
    /// It has none.
    None,
    /// It drops what it is told to.
    Answers,
    /// It does not answer. It keeps nothing, so that all that can be wrong is its entry.
    Silent,
}

/// A device with a TLB.
pub struct Device {
    tlb: Tlb,
    /// Its ATS is on.
    is_on: AtomicBool,
    /// It keeps a translation.
    keeps: AtomicBool,
    /// The entry lets it ask. A word of loom's: several CPUs write it.
    may_ask: Atomic<bool>,
    /// It was given up.
    is_given_up: AtomicBool,
}

impl Control for Device {
    fn enable(&self) -> Result {
        assert!(!self.is_on.swap(true, SeqCst), "ATS is turned on twice");
        Ok(())
    }

    fn disable(&self) {
        assert!(self.is_on.swap(false, SeqCst), "ATS is turned off twice");
        self.keeps.store(false, SeqCst);
    }

    fn is_gone(&self) -> bool {
        false
    }
}

impl Device {
    /// What a driver does with a device that does not answer.
    fn cut_off(&self) -> Result {
        self.is_given_up.store(true, SeqCst);
        if self.may_ask.load(Relaxed) {
            self.may_ask.store(false, Relaxed);
        }
        Ok(())
    }

    /// Whether its entry lets it ask though it was given up.
    pub fn is_let_in_again(&self) -> bool {
        self.is_given_up.load(SeqCst) && self.may_ask.load(Relaxed)
    }
}

/// The unit. Its words are its own: it is the CPUs' memory that is explored.
pub struct Unit {
    table: Arc<dyn PageTable>,
    /// The entry of the device leads to the table.
    leads_to_table: AtomicBool,
    /// The entry of the second device leads to the table.
    other_leads_to_table: AtomicBool,
    /// What is cached, as long as a device walks or has walked.
    cached: Mutex<bool>,
    /// A walk is in flight: an invalidation waits for it.
    walks: loom::sync::Mutex<()>,
    pub device: Arc<Device>,
}

impl Unit {
    /// Whether the unit has a translation of what the devices read, cached or in the table.
    fn translates(&self) -> bool {
        let is_cached = *self.cached.lock().unwrap();
        if !is_cached && self.table.lookup(READS).is_none() {
            return false;
        }
        *self.cached.lock().unwrap() = true;
        true
    }

    /// The second device reads, if it may.
    fn walk_for_other(&self) {
        if self.other_leads_to_table.load(SeqCst) {
            let _walk = self.walks.lock().unwrap();
            self.translates();
        }
    }

    /// The device reads: the unit walks the table, if it may.
    fn walk(&self) {
        let _walk = self.walks.lock().unwrap();
        if !self.leads_to_table.load(SeqCst) || !self.translates() {
            return;
        }
        if self.device.is_on.load(SeqCst) && self.device.may_ask.load(Relaxed) {
            self.device.keeps.store(true, SeqCst);
        }
    }

    fn has_cached(&self) -> bool {
        *self.cached.lock().unwrap() || self.device.keeps.load(SeqCst)
    }
}

impl Driver for Unit {
    fn probe(&self, _: &Endpoint) -> Result {
        Ok(())
    }

    fn alloc_table(&self, _: &Endpoint) -> Result<Arc<dyn PageTable>> {
        Ok(self.table.clone())
    }

    fn prepare(&self, _: &Endpoint, _: Route, _: &Descriptor) -> Result {
        Ok(())
    }

    fn set_route(&self, ids: &[u32], _: Route, entry: Entry<'_>) {
        let leads_to_table = matches!(entry, Entry::Table { .. });
        if ids == [OTHER] {
            self.other_leads_to_table.store(leads_to_table, SeqCst);
            return self.walk_for_other();
        }
        self.leads_to_table.store(leads_to_table, SeqCst);
        if self.device.tlb != Tlb::None {
            let may_ask = matches!(
                entry,
                Entry::Table {
                    device_tlb: true,
                    ..
                }
            );
            self.device.may_ask.store(may_ask, Relaxed);
        }
        if self.device.tlb == Tlb::Silent {
            // It does not read now. Not every entry is followed by a barrier, then.
            return;
        }
        // The register write that tells the unit, and the wait for it.
        smp_mb();
        self.walk();
    }

    fn invalidate(&self, _: Tag, _: &Scope, device_tlbs: DeviceTlbs<'_>) -> Result {
        if self.other_leads_to_table.load(SeqCst) {
            // The register write that tells the unit of the request.
            smp_mb();
        }
        // All requests are written before the unit executes the first.
        let targets: Vec<_> = device_tlbs.collect();
        let no_walk = self.walks.lock().unwrap();
        *self.cached.lock().unwrap() = false;
        drop(no_walk);
        self.walk_for_other();
        for target in targets {
            assert!(
                self.device.is_on.load(SeqCst),
                "a device whose ATS is off is asked"
            );
            if self.device.tlb == Tlb::Silent {
                target.give_up(|| self.device.cut_off())?;
            } else {
                self.device.keeps.store(false, SeqCst);
            }
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn cut_off(&self) -> bool {
        false
    }
}

/// A device that is not attached, behind a unit, and a domain in which it could read.
pub struct Setup {
    pub unit: Arc<Unit>,
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    /// The second device, which is in the domain, with its group.
    other: Option<(Arc<Group>, Arc<Endpoint>)>,
    domain: Arc<Domain>,
}

impl Setup {
    /// With `count` pages mapped in the domain.
    pub fn new(tlb: Tlb, count: usize) -> Arc<Self> {
        Self::build(tlb, count, false)
    }

    /// As [`new`](Self::new), with the second device in the domain: it has read already.
    pub fn shared(tlb: Tlb, count: usize) -> Arc<Self> {
        Self::build(tlb, count, true)
    }

    fn build(tlb: Tlb, count: usize, is_shared: bool) -> Arc<Self> {
        let table = small::new(true).unwrap();
        map(&*table, 0, 0x1000, count);
        let device = Device {
            tlb,
            is_on: AtomicBool::new(false),
            keeps: AtomicBool::new(false),
            may_ask: Atomic::new(false),
            is_given_up: AtomicBool::new(false),
        };
        let unit = Unit {
            table: table.clone(),
            leads_to_table: AtomicBool::new(false),
            other_leads_to_table: AtomicBool::new(false),
            cached: Mutex::new(false),
            walks: loom::sync::Mutex::new(()),
            device: Arc::new(device, GFP_KERNEL).unwrap(),
        };
        let unit = Arc::new(unit, GFP_KERNEL).unwrap();
        let limits = Limits {
            first_tag: 1,
            last_tag: 2,
            identity: None,
            cache_coherent: true,
            snoop_control: false,
            device_tlbs: true,
            flush_on_map: false,
            msi_window: None,
        };
        let name = || CString::try_from(c"unit").unwrap();
        let instance = Instance::new(name(), fwnode::Key(1), limits, unit.clone(), None).unwrap();
        instance.begin_translating();
        let join = |id, device_tlb| {
            let mut ids = KVec::new();
            ids.push(id, GFP_KERNEL).unwrap();
            let endpoint = instance.probe(name(), ids, device_tlb, None).unwrap();
            let group = Group::new().unwrap();
            group.join(endpoint.clone()).unwrap();
            (group, endpoint)
        };
        let control = unit.device.clone();
        let device_tlb = (tlb != Tlb::None).then(|| DeviceTlb::new(control, 1, DEVICE));
        let (group, endpoint) = join(DEVICE, device_tlb);
        let domain = Domain::new(table).unwrap();
        let other = is_shared.then(|| {
            let (group, endpoint) = join(OTHER, None);
            let target = Target::Domain(domain.clone());
            group.attach(&endpoint, Route::Rid, target).unwrap();
            (group, endpoint)
        });
        let setup = Self {
            unit,
            group,
            endpoint,
            other,
            domain,
        };
        Arc::new(setup, GFP_KERNEL).unwrap()
    }

    fn attach(&self, target: Target) {
        self.group
            .attach(&self.endpoint, Route::Rid, target)
            .unwrap();
    }

    pub fn attach_to_domain(&self) {
        self.attach(Target::Domain(self.domain.clone()));
    }

    pub fn detach(&self) {
        self.attach(Target::Blocked);
    }

    /// Unmaps `len` bytes from `iova` on, where the device reads, and gives the memory away.
    pub fn unmap(&self, iova: Iova, len: u64) {
        let mut gather = Gather::new();
        let done = self.domain.table().unmap(iova, len as usize, &mut gather);
        assert_eq!(done, len as usize);
        self.domain.sync(&mut gather);
        assert!(!self.unit.has_cached(), "cached after the invalidation");
    }

    pub fn end(&self) {
        self.unit.walk();
        assert!(!self.unit.has_cached(), "cached after the invalidation");
        self.detach();
        // They refer to each other.
        self.endpoint.instance().release(&self.endpoint);
        if let Some((group, endpoint)) = &self.other {
            group.attach(endpoint, Route::Rid, Target::Blocked).unwrap();
            endpoint.instance().release(endpoint);
        }
    }
}
