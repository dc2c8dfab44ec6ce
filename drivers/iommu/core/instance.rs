// SPDX-License-Identifier: GPL-2.0

//! Instances: one hardware unit each, with the endpoints behind it and the tags in its TLB.
//!
//! # An instance that is lost
//!
//! An instance serves until its driver reports that the hardware does not answer invalidations any
//! more ([`Driver::has_failed`]). From then on it is *lost*, until it is registered anew:
//!
//! - No device is probed for it and no route of it is attached: `EIO`. A route that already leads
//!   where it is to lead stays, as nothing has to be written for that.
//! - What its devices do is cut off: the driver makes the hardware refuse all DMA
//!   ([`Driver::cut_off`]). Where the hardware does not show that it does, DMA is stopped at each
//!   device ([`BusMaster::stop`](crate::endpoint::BusMaster::stop)), until a driver of the device
//!   turns it on again.
//! - Devices leave as before: their entries in memory are blocked. Nothing is freed that the
//!   hardware might still use.
//!
//! Callers of an invalidation free memory whether it succeeds or not. So the first CPU whose request
//! fails cuts the devices off *before* it returns, and every other one waits for that: no failure is
//! returned while devices still reach what was unmapped, as far as hardware allows.

use crate::{
    ats::{
        DeviceTlb,
        DeviceTlbs, //
    },
    driver::{
        Driver,
        Limits,
        Scope, //
    },
    endpoint::{
        BusMaster,
        Endpoint, //
    },
    group::Group,
    route::{
        Entry,
        Route, //
    }, //
};
use iommu_ext::{
    fwnode,
    ida::Ida,
    new_irq_lock,
    ratelimit::RateLimit,
    sync::{
        irq_lock::IrqLock,
        rcu_list::RcuList, //
    },
    vec::KVecExt, //
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu,
        Arc,
        Mutex, //
    }, //
};

/// What a domain is called inside one instance's TLB: VT-d domain ID, SMMU ASID or VMID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub u32);

/// A device whose ATS waits for its unit to translate.
struct Waiting {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
}

/// One hardware unit.
#[pin_data]
pub struct Instance {
    name: CString,
    key: fwnode::Key,
    limits: Limits,
    driver: Arc<dyn Driver>,
    owner: Option<&'static ThisModule>,
    #[pin]
    tags: Ida,
    tags_in_use: Atomic<u32>,
    #[pin]
    endpoints: RcuList<Arc<Endpoint>>,
    /// Requester IDs that were left to pass DMA untranslated, with room for all there are.
    #[pin]
    passing: Mutex<KVec<u32>>,
    /// Devices in domains whose ATS waits for the unit to translate, with room for all there are.
    /// `None` from when the unit translates.
    #[pin]
    waiting: Mutex<Option<KVec<Waiting>>>,
    #[pin]
    fault_limit: RateLimit,
    /// Set once, when the devices are cut off.
    is_lost: Atomic<bool>,
    /// Held while the devices are cut off.
    #[pin]
    verdict: IrqLock<()>,
}

impl Instance {
    /// An instance that `key` will name once it is registered
    /// ([`Registration::new`](crate::registry::Registration::new)). `owner` is the module of
    /// `driver`; `None` for one that is not unloaded while there are domains.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(
        name: CString,
        key: fwnode::Key,
        limits: Limits,
        driver: Arc<dyn Driver>,
        owner: Option<&'static ThisModule>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                name,
                key,
                limits,
                driver,
                owner,
                tags <- Ida::new(),
                tags_in_use: Atomic::new(0),
                endpoints <- RcuList::new(),
                passing <- new_mutex!(KVec::new()),
                waiting <- new_mutex!(Some(KVec::new())),
                fault_limit <- RateLimit::new(),
                is_lost: Atomic::new(false),
                verdict <- new_irq_lock!((), "Instance.verdict"),
            }),
            GFP_KERNEL,
        )
    }

    /// The unit's name, as in `dmar0`.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The firmware node that names this unit.
    pub fn key(&self) -> fwnode::Key {
        self.key
    }

    /// What the unit can do.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The hardware side.
    #[inline]
    pub fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    /// Whether the unit is [lost](self#an-instance-that-is-lost). Its devices are cut off then. Any
    /// context.
    pub fn is_lost(&self) -> bool {
        // Acquire pairs with the release in `lose`: the devices are cut off.
        if self.is_lost.load(Acquire) {
            return true;
        }
        let has_failed = self.driver.has_failed();
        if has_failed {
            self.lose();
        }
        has_failed
    }

    /// Cuts the devices off, if nobody has done so yet, and returns when that is done. Any context.
    #[cold]
    #[inline(never)]
    fn lose(&self) {
        // With interrupts off: a handler on this CPU may come here, too.
        let _verdict = self.verdict.lock();
        if self.is_lost.load(Relaxed) {
            return;
        }
        let name = self.name();
        pr_err!("{name}: the unit is lost: it serves no device any more\n");
        if self.driver.cut_off() {
            pr_err!("{name}: it refuses the DMA of all its devices\n");
        } else {
            let guard = rcu::read_lock();
            let (mut stopped, mut others) = (0usize, 0usize);
            for endpoint in self.endpoints.iter(&guard) {
                let count = if endpoint.stop_dma() {
                    &mut stopped
                } else {
                    &mut others
                };
                *count = count.saturating_add(1);
            }
            pr_err!(
                "{name}: it may let DMA pass by old mappings: bus mastering is off at {stopped} \
                 devices, {others} others cannot be stopped\n"
            );
        }
        // Release: see `is_lost`.
        self.is_lost.store(true, Release);
    }

    /// Writes the entry of a route ([`Driver::set_route`]).
    pub(crate) fn set_route(&self, ids: &[u32], route: Route, entry: Entry<'_>) {
        self.driver.set_route(ids, route, entry);
        if self.driver.has_failed() {
            self.lose();
        }
    }

    /// Sends an invalidation and waits for it ([`Driver::invalidate`]). Any context.
    ///
    /// # Errors
    ///
    /// As of that. The unit is lost then, and its devices are cut off.
    #[inline]
    pub(crate) fn invalidate(
        &self,
        tag: Tag,
        scope: &Scope,
        device_tlbs: DeviceTlbs<'_>,
    ) -> Result {
        self.driver
            .invalidate(tag, scope, device_tlbs)
            .inspect_err(|_| self.lose())
    }

    /// The module of the driver.
    pub(crate) fn owner(&self) -> Option<&'static ThisModule> {
        self.owner
    }

    /// Makes an endpoint of the device whose DMA carries `ids`, and lets the driver make ready
    /// for it. A device with a `device_tlb` has one ID only: translations are for a requester.
    /// `bus_master`: how its DMA is stopped if the unit is lost.
    ///
    /// # Errors
    ///
    /// - `EIO`: the unit is lost. A line in the log names the device.
    /// - `ENOMEM`, and what [`Driver::probe`] returns.
    pub fn probe(
        self: &Arc<Self>,
        name: CString,
        ids: KVec<u32>,
        device_tlb: Option<DeviceTlb>,
        bus_master: Option<Arc<dyn BusMaster>>,
    ) -> Result<Arc<Endpoint>> {
        if self.is_lost() {
            pr_err!(
                "{}: {} is not served: the unit is lost\n",
                self.name(),
                &*name
            );
            return Err(EIO);
        }
        let known = self.sum_of_endpoints(|endpoint| endpoint.ids().len());
        self.passing
            .lock()
            .try_reserve(known.saturating_add(ids.len()), GFP_KERNEL)?;
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.try_reserve(self.endpoints().saturating_add(1), GFP_KERNEL)?;
        }
        let endpoint = Endpoint::new(name, self.clone(), ids, device_tlb, bus_master);
        let endpoint = Arc::pin_init(endpoint, GFP_KERNEL)?;
        self.driver.probe(&endpoint)?;
        self.endpoints.push(endpoint.clone())?;
        Ok(endpoint)
    }

    /// Forgets an endpoint. Its routes are blocked already. May sleep.
    pub fn release(&self, endpoint: &Arc<Endpoint>) {
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.remove_where(|one| Arc::ptr_eq(&one.endpoint, endpoint));
        }
        self.endpoints.remove(|other| Arc::ptr_eq(other, endpoint));
        endpoint.forget_bus_master();
    }

    /// Translation of the unit is on from here on, as it was not before: devices may use their TLBs
    /// ([`ats`](crate::ats)), also those that are in domains already. May sleep.
    pub fn begin_translating(&self) {
        let waiting = self.waiting.lock().take();
        for Waiting { group, endpoint } in waiting.iter().flatten() {
            group.let_ask(endpoint);
        }
    }

    /// Whether a device that enters a domain may use its TLB now. If not, and the unit does not
    /// translate yet, the device is noted: it may when the unit does.
    pub(crate) fn may_ask_now(&self, group: &Arc<Group>, endpoint: &Arc<Endpoint>) -> bool {
        let mut waiting = self.waiting.lock();
        let Some(waiting) = &mut *waiting else {
            return true;
        };
        if !waiting
            .iter()
            .any(|one| Arc::ptr_eq(&one.endpoint, endpoint))
        {
            // There is room, since the endpoint was probed.
            let _ = waiting.push_within_capacity(Waiting {
                group: group.clone(),
                endpoint: endpoint.clone(),
            });
        }
        false
    }

    /// Whether any device is behind the unit, as far as it was probed.
    pub fn has_endpoints(&self) -> bool {
        self.endpoints.iter(&rcu::read_lock()).next().is_some()
    }

    /// How many devices are behind the unit, as far as they were probed.
    pub fn endpoints(&self) -> usize {
        self.sum_of_endpoints(|_| 1)
    }

    fn sum_of_endpoints(&self, f: impl Fn(&Endpoint) -> usize) -> usize {
        let guard = rcu::read_lock();
        self.endpoints
            .iter(&guard)
            .fold(0, |sum: usize, endpoint| sum.saturating_add(f(endpoint)))
    }

    /// Notes that a requester ID, whose last endpoint leaves, is to pass DMA untranslated until
    /// the unit is turned off. False if that cannot be. Allocates nothing.
    pub(crate) fn let_pass(&self, id: u32) -> bool {
        let mut passing = self.passing.lock();
        self.limits.identity.is_some()
            && (passing.contains(&id) || passing.push_within_capacity(id).is_ok())
    }

    /// Whether [`let_pass`](Self::let_pass) was called for a requester ID.
    pub(crate) fn passes(&self, id: u32) -> bool {
        self.passing.lock().contains(&id)
    }

    /// Blocks the requester IDs that were left to pass DMA untranslated: the unit is not turned
    /// off after all.
    pub fn block_passing(&self) {
        let Some(tag) = self.limits.identity else {
            return;
        };
        let mut passing = self.passing.lock();
        while let Some(id) = passing.pop() {
            self.set_route(&[id], Route::Rid, Entry::Blocked);
        }
        // A failure is logged by the driver; memory is not freed on its success.
        let _ = self.invalidate(tag, &Scope::Tag, DeviceTlbs::none());
    }

    /// How many domains have, or have had, a route of this unit that leads to them.
    pub fn domains(&self) -> u32 {
        self.tags_in_use.load(Relaxed)
    }

    /// Calls `f` with the endpoints that `id` names: several if they share an alias. Any context.
    pub fn endpoints_of(&self, id: u32, mut f: impl FnMut(&Endpoint)) {
        let guard = rcu::read_lock();
        for endpoint in self.endpoints.iter(&guard) {
            if endpoint.ids().contains(&id) {
                f(endpoint);
            }
        }
    }

    /// Whether one more line about faults of this unit may go to the log.
    pub(crate) fn may_log_fault(&self) -> bool {
        self.fault_limit.allows(&self.name)
    }

    /// Takes an unused tag.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the hardware has no more tags.
    /// - `ENOMEM`.
    pub(crate) fn alloc_tag(&self) -> Result<Tag> {
        let tag = self
            .tags
            .alloc(self.limits.first_tag, self.limits.last_tag)?;
        self.tags_in_use.add(1, Relaxed);
        Ok(Tag(tag))
    }

    /// Gives a tag back. Nothing is cached under it any more.
    pub(crate) fn free_tag(&self, tag: Tag) {
        self.tags.free(tag.0);
        self.tags_in_use.fetch_sub(1, Relaxed);
    }
}

#[kernel::macros::kunit_tests(rust_iommu_tags)]
mod tests {
    use super::*;
    use crate::recorder::{
        Call,
        Unit,
        LIMITS, //
    };

    #[test]
    fn the_lowest_free_tag() -> Result {
        let unit = Unit::new(Limits {
            first_tag: 5,
            last_tag: 7,
            ..LIMITS
        })?;
        let instance = &unit.instance;
        for (tag, in_use) in [(5, 1), (6, 2), (7, 3)] {
            assert_eq!(instance.alloc_tag(), Ok(Tag(tag)));
            assert_eq!(instance.domains(), in_use);
        }
        assert_eq!(instance.alloc_tag(), Err(ENOSPC));
        assert_eq!(instance.domains(), 3);
        instance.free_tag(Tag(6));
        assert_eq!(instance.domains(), 2);
        assert_eq!(instance.alloc_tag(), Ok(Tag(6)));
        assert_eq!(instance.alloc_tag(), Err(ENOSPC));
        for tag in 5..=7 {
            instance.free_tag(Tag(tag));
        }
        assert_eq!(instance.domains(), 0);
        Ok(())
    }

    #[test]
    fn units_have_tags_of_their_own() -> Result {
        let units = [Unit::new(LIMITS)?, Unit::new(LIMITS)?];
        for unit in &units {
            assert_eq!(unit.instance.alloc_tag(), Ok(Tag(1)));
        }
        let [first, second] = &units;
        first.instance.free_tag(Tag(1));
        assert_eq!(first.instance.domains(), 0);
        assert_eq!(second.instance.domains(), 1);
        assert_eq!(second.instance.alloc_tag(), Ok(Tag(2)));
        Ok(())
    }

    #[test]
    fn devices_by_their_ids() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        assert!(!unit.instance.has_endpoints());
        unit.driver.refuse(true);
        assert!(unit.endpoint(&[0x10]).is_err());
        assert_eq!(unit.instance.endpoints(), 0);
        unit.driver.refuse(false);
        let device = unit.endpoint(&[0x10, 0x18])?;
        let other = unit.endpoint(&[0x18])?;
        assert_eq!(unit.instance.endpoints(), 2);
        let named = |id| {
            let mut named = (0, 0);
            unit.instance.endpoints_of(id, |endpoint| {
                named.0 += usize::from(core::ptr::eq(endpoint, &*device));
                named.1 += usize::from(core::ptr::eq(endpoint, &*other));
            });
            named
        };
        assert_eq!(named(0x10), (1, 0));
        assert_eq!(named(0x18), (1, 1));
        assert_eq!(named(0x20), (0, 0));
        unit.instance.release(&other);
        assert_eq!(named(0x18), (1, 0));
        assert!(unit.instance.has_endpoints());
        Ok(())
    }

    /// Counts how often its DMA was stopped.
    struct Stopped(Atomic<u32>);

    impl BusMaster for Stopped {
        fn stop(&self) {
            self.0.add(1, Relaxed);
        }
    }

    fn stopped() -> Result<Arc<Stopped>> {
        Ok(Arc::new(Stopped(Atomic::new(0)), GFP_KERNEL)?)
    }

    #[test]
    fn a_lost_unit_serves_no_device() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let _device = unit.endpoint(&[0x10])?;
        assert!(!unit.instance.is_lost());
        unit.driver.hang();
        // Also before an invalidation has failed.
        assert_eq!(unit.endpoint(&[0x18]).err(), Some(EIO));
        assert!(unit.instance.is_lost());
        assert_eq!(unit.instance.endpoints(), 1);
        assert!(unit.driver.was_told(&[Call::CutOff])?);
        Ok(())
    }

    #[test]
    fn devices_of_a_lost_unit_are_cut_off_once() -> Result {
        let flush = |unit: &Unit| {
            let instance = &unit.instance;
            instance.invalidate(Tag(1), &Scope::Tag, DeviceTlbs::none())
        };
        let told = Call::Flush(Tag(1), Scope::Tag);
        for dies in [false, true] {
            let mut unit = Unit::new(LIMITS)?;
            let [first, second] = [stopped()?, stopped()?];
            let _first = unit.bus_master(&[0x10], Some(first.clone()))?;
            let gone = unit.bus_master(&[0x18], Some(second.clone()))?;
            let _other = unit.endpoint(&[0x20])?;
            unit.instance.release(&gone);
            flush(&unit)?;
            assert!(unit.driver.was_told(&[told])?);
            if dies {
                unit.driver.die();
            }
            unit.driver.hang();
            assert_eq!(flush(&unit), Err(EIO));
            assert_eq!(flush(&unit), Err(EIO));
            assert!(unit.driver.was_told(&[told, Call::CutOff, told])?);
            // Only where the unit does not do it itself, and not once the device is gone.
            assert_eq!(first.0.load(Relaxed), u32::from(dies));
            assert_eq!(second.0.load(Relaxed), 0);
        }
        Ok(())
    }

    #[test]
    fn ids_that_were_left_to_pass_are_blocked_again() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let _device = unit.endpoint(&[0x10, 0x18])?;
        assert!(unit.instance.let_pass(0x10) && unit.instance.let_pass(0x10));
        assert!(unit.instance.passes(0x10) && !unit.instance.passes(0x18));
        assert!(unit.instance.let_pass(0x18));
        unit.instance.block_passing();
        assert!(!unit.instance.passes(0x10) && !unit.instance.passes(0x18));
        let blocked = [
            Call::Block(0x18, Route::Rid),
            Call::Block(0x10, Route::Rid),
            Call::Flush(Tag(0), Scope::Tag),
        ];
        assert!(unit.driver.was_told(&blocked)?);

        let limits = Limits {
            identity: None,
            ..LIMITS
        };
        let mut unit = Unit::new(limits)?;
        let _device = unit.endpoint(&[0x10])?;
        assert!(!unit.instance.let_pass(0x10));
        Ok(())
    }
}
