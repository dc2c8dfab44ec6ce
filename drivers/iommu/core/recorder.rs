// SPDX-License-Identifier: GPL-2.0

//! For KUnit suites: a unit whose driver writes down what it is told.

use crate::{
    ats::DeviceTlbs,
    domain::Domain,
    driver::{
        Driver,
        Limits,
        Scope, //
    },
    endpoint::{
        BusMaster,
        Endpoint, //
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
        PageSizes,
        PageTable,
        Prot, //
    }, //
};
use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    fwnode::SoftwareNode,
    gather::Gather,
    new_irq_lock,
    pages::Gfp,
    sync::{
        irq_lock::IrqLock,
        rcu_list, //
    },
    vec::KVecExt, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// What a driver was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// To block a route of a requester ID.
    Block(u32, Route),
    /// To let a requester ID pass.
    Pass(u32, Route),
    /// To translate, under a tag.
    Translate(u32, Route, Tag),
    /// To drop what is cached under a tag.
    Flush(Tag, Scope),
    /// To refuse all DMA.
    CutOff,
}

/// Calls that a test may cause between two looks at them.
const CALLS: usize = 64;

/// The driver.
#[pin_data]
pub(crate) struct Recorder {
    /// With room for [`CALLS`].
    #[pin]
    calls: IrqLock<KVec<Call>>,
    /// Probing and preparing fail with `EINVAL`.
    refuses: Atomic<bool>,
    /// Invalidations fail with `EIO`.
    hangs: Atomic<bool>,
    /// Whether DMA is refused if that is asked for.
    cuts_off: Atomic<bool>,
}

impl Recorder {
    fn new() -> Result<Arc<Self>> {
        let room = KVec::with_capacity(CALLS, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                calls <- new_irq_lock!(room, "Recorder"),
                refuses: Atomic::new(false),
                hangs: Atomic::new(false),
                cuts_off: Atomic::new(true),
            }),
            GFP_KERNEL,
        )
    }

    fn note(&self, call: Call) {
        // A call that there is no room for is missed by the test.
        let _ = self.calls.lock().push_within_capacity(call);
    }

    /// Whether the calls since the last time were these. If not they are in the log.
    pub(crate) fn was_told(&self, expected: &[Call]) -> Result<bool> {
        let mut calls = KVec::with_capacity(CALLS, GFP_KERNEL)?;
        core::mem::swap(&mut *self.calls.lock(), &mut calls);
        let equal = calls.iter().eq(expected);
        if !equal {
            for call in calls.iter() {
                pr_err!("the driver was told: {call:?}\n");
            }
        }
        Ok(equal)
    }

    /// From now on, has probing and preparing fail, or not.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Relaxed);
    }

    /// From now on, has invalidations fail.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Relaxed);
    }

    /// From now on, does not refuse DMA when that is asked for.
    pub(crate) fn die(&self) {
        self.cuts_off.store(false, Relaxed);
    }

    fn check(&self) -> Result {
        if self.refuses.load(Relaxed) {
            return Err(EINVAL);
        }
        Ok(())
    }
}

impl Driver for Recorder {
    fn probe(&self, _: &Endpoint) -> Result {
        self.check()
    }

    fn alloc_table(&self, _: &Endpoint) -> Result<Arc<dyn PageTable>> {
        Err(EINVAL)
    }

    fn prepare(&self, _: &Endpoint, _: Route, _: &Descriptor) -> Result {
        self.check()
    }

    fn set_route(&self, ids: &[u32], route: Route, entry: Entry<'_>) {
        for &id in ids {
            self.note(match entry {
                Entry::Blocked => Call::Block(id, route),
                Entry::Identity => Call::Pass(id, route),
                Entry::Table { tag, .. } => Call::Translate(id, route, tag),
            });
        }
    }

    fn invalidate(&self, tag: Tag, scope: &Scope, _: DeviceTlbs<'_>) -> Result {
        self.note(Call::Flush(tag, *scope));
        if self.hangs.load(Relaxed) {
            return Err(EIO);
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        self.hangs.load(Relaxed)
    }

    fn cut_off(&self) -> bool {
        self.note(Call::CutOff);
        self.cuts_off.load(Relaxed)
    }
}

/// A unit with two tags, 1 and 2. What was told is complete, whoever asks.
pub(crate) const LIMITS: Limits = Limits {
    first_tag: 1,
    last_tag: 2,
    identity: Some(Tag(0)),
    cache_coherent: true,
    snoop_control: false,
    device_tlbs: false,
    flush_on_map: false,
    msi_window: None,
};

/// A unit, and the devices behind it. To be made before all that refers to it.
pub(crate) struct Unit {
    pub(crate) instance: Arc<Instance>,
    pub(crate) driver: Arc<Recorder>,
    endpoints: KVec<Arc<Endpoint>>,
    _node: SoftwareNode,
}

impl Unit {
    /// A unit without devices, that no other node names.
    pub(crate) fn new(limits: Limits) -> Result<Self> {
        let node = SoftwareNode::new()?;
        let driver = Recorder::new()?;
        let name = CString::try_from_fmt(fmt!("kunit"))?;
        Ok(Self {
            instance: Instance::new(name, node.key(), limits, driver.clone(), None)?,
            driver,
            endpoints: KVec::new(),
            _node: node,
        })
    }

    /// A device behind the unit. It stays until the unit goes.
    pub(crate) fn endpoint(&mut self, ids: &[u32]) -> Result<Arc<Endpoint>> {
        self.bus_master(ids, None)
    }

    /// As [`endpoint`](Self::endpoint), of a device whose DMA is stopped by `bus_master`.
    pub(crate) fn bus_master(
        &mut self,
        ids: &[u32],
        bus_master: Option<Arc<dyn BusMaster>>,
    ) -> Result<Arc<Endpoint>> {
        let mut all = KVec::new();
        for &id in ids {
            all.try_push(id, GFP_KERNEL)?;
        }
        self.endpoints.try_reserve(1, GFP_KERNEL)?;
        let name = CString::try_from_fmt(fmt!("device"))?;
        let endpoint = self.instance.probe(name, all, None, bus_master)?;
        self.endpoints.try_push(endpoint.clone(), GFP_KERNEL)?;
        Ok(endpoint)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        for endpoint in &self.endpoints {
            self.instance.release(endpoint);
        }
        // What is freed after a grace period refers to the unit.
        rcu_list::barrier();
    }
}

/// A table that translates nothing.
struct NoTable(Descriptor);

impl PageTable for NoTable {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn map(&self, _: Iova, _: PhysAddr, _: usize, _: usize, _: Prot, _: Gfp) -> (usize, Result) {
        (0, Err(EINVAL))
    }

    fn unmap(&self, _: Iova, _: usize, _: &mut Gather) -> usize {
        0
    }

    fn lookup(&self, _: Iova) -> Option<PhysAddr> {
        None
    }

    fn is_empty(&self) -> bool {
        true
    }
}

/// A domain that no route leads to.
pub(crate) fn domain() -> Result<Arc<Domain>> {
    let table = NoTable(Descriptor {
        format: c"none",
        root: PhysAddr(0x1000),
        levels: 3,
        input_bits: 39,
        output_bits: 39,
        page_sizes: PageSizes(1 << 12),
        coherent: true,
        snoop_control: false,
        flush_on_map: false,
    });
    Domain::new(Arc::new(table, GFP_KERNEL)?)
}
