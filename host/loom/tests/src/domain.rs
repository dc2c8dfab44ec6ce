// SPDX-License-Identifier: GPL-2.0

//! Domains that are attached and left while something is unmapped.
//!
//! The hardware is one unit with one device, which reads one address whenever it can, and caches
//! what it finds. What must not happen: a translation that is still cached when the invalidation
//! has returned, or a walk of tables that were freed.

use crate::{
    explore,
    walker::{
        map,
        PAGE,
        TABLE, //
    }, //
};
use iommu_core::{
    ats::DeviceTlbs,
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
        barrier::smp_mb,
        Arc, //
    }, //
};
use loom::thread;
use pgtable::fmt::small;
use std::sync::{
    atomic::{
        AtomicBool,
        Ordering::SeqCst, //
    },
    Mutex, //
};

/// What the device reads.
const READS: Iova = Iova(PAGE);

/// The unit. Its words are its own: it is the CPUs' memory that is explored.
struct Unit {
    table: Arc<dyn PageTable>,
    /// The entry leads to the table.
    leads_to_table: AtomicBool,
    /// What is cached, as long as the device walks or has walked.
    cached: Mutex<bool>,
    /// A walk is in flight: an invalidation waits for it.
    walks: loom::sync::Mutex<()>,
}

impl Unit {
    /// The device reads: the unit walks the table, if it may.
    fn walk(&self) {
        let _walk = self.walks.lock().unwrap();
        if self.leads_to_table.load(SeqCst) && self.table.lookup(READS).is_some() {
            *self.cached.lock().unwrap() = true;
        }
    }

    fn has_cached(&self) -> bool {
        *self.cached.lock().unwrap()
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

    fn set_route(&self, _: &[u32], _: Route, entry: Entry<'_>) {
        let leads_to_table = matches!(entry, Entry::Table { .. });
        self.leads_to_table.store(leads_to_table, SeqCst);
        // The register write that tells the unit, and the wait for it.
        smp_mb();
        self.walk();
    }

    fn invalidate(&self, _: Tag, _: Scope, _: DeviceTlbs<'_>) -> Result {
        let _no_walk = self.walks.lock().unwrap();
        *self.cached.lock().unwrap() = false;
        Ok(())
    }
}

/// A device that is not attached, behind a unit of its own, and a domain in which it could read.
struct Setup {
    unit: Arc<Unit>,
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    domain: Arc<Domain>,
}

impl Setup {
    fn new() -> Arc<Self> {
        let table = small::new(true).unwrap();
        map(&*table, 0, 0x1000, 4);
        let unit = Unit {
            table: table.clone(),
            leads_to_table: AtomicBool::new(false),
            cached: Mutex::new(false),
            walks: loom::sync::Mutex::new(()),
        };
        let unit = Arc::new(unit, GFP_KERNEL).unwrap();
        let limits = Limits {
            first_tag: 1,
            last_tag: 2,
            identity: None,
            cache_coherent: true,
            device_tlbs: false,
            flush_on_map: false,
            msi_window: None,
        };
        let name = || CString::try_from(c"unit").unwrap();
        let instance = Instance::new(name(), fwnode::Key(1), limits, unit.clone(), None).unwrap();
        let endpoint = instance.probe(name(), KVec::new(), None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let setup = Self {
            unit,
            group,
            endpoint,
            domain: Domain::new(table).unwrap(),
        };
        Arc::new(setup, GFP_KERNEL).unwrap()
    }

    fn attach(&self, target: Target) {
        self.group
            .attach(&self.endpoint, Route::Rid, target)
            .unwrap();
    }

    fn attach_to_domain(&self) {
        self.attach(Target::Domain(self.domain.clone()));
    }

    /// Unmaps `len` bytes from `iova` on, where the device reads, and gives the memory away.
    fn unmap(&self, iova: Iova, len: u64) {
        let mut gather = Gather::new();
        let done = self.domain.table().unmap(iova, len as usize, &mut gather);
        assert_eq!(done, len as usize);
        self.domain.sync(&mut gather);
        assert!(!self.unit.has_cached(), "cached after the invalidation");
    }

    fn end(&self) {
        self.unit.walk();
        assert!(!self.unit.has_cached(), "cached after the invalidation");
        self.attach(Target::Blocked);
        assert_eq!(self.endpoint.instance().domains(), 0);
        // They refer to each other.
        self.endpoint.instance().release(&self.endpoint);
    }
}

/// Runs `attach` beside an unmap.
fn beside_unmap(name: &str, (iova, len): (Iova, u64), before: fn(&Setup), attach: fn(&Setup)) {
    explore(name, move || {
        let setup = Setup::new();
        before(&setup);
        let other = setup.clone();
        let thread = thread::spawn(move || other.unmap(iova, len));
        attach(&setup);
        thread.join().unwrap();
        setup.end();
    });
}

/// Either the unmap finds the attachment, or the device does not find the leaf.
#[test]
fn attach_beside_unmap() {
    beside_unmap(
        "attach beside unmap",
        (READS, PAGE),
        |_| {},
        Setup::attach_to_domain,
    );
}

/// The same, where the table goes, too.
#[test]
fn attach_beside_unmap_of_a_table() {
    beside_unmap(
        "attach beside unmap of a table",
        (Iova(0), TABLE),
        |_| {},
        Setup::attach_to_domain,
    );
}

/// The unmap still finds the attachment, or nothing is cached any more.
#[test]
fn detach_beside_unmap() {
    beside_unmap(
        "detach beside unmap",
        (READS, PAGE),
        Setup::attach_to_domain,
        |setup| setup.attach(Target::Blocked),
    );
}
