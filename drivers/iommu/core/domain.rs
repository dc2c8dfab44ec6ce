// SPDX-License-Identifier: GPL-2.0

//! Domains: I/O address spaces with one page table each, and where that table is in use.
//!
//! A domain may be reached by any number of routes, on any number of instances. What an
//! invalidation must reach is kept as a list with one [`Attachment`] per instance, read under RCU
//! by whoever unmaps. The routes of an instance are counted *before* the first entry of its points
//! at the table, and not counted any more only after the last one was rewritten and its tag
//! flushed: there is no moment at which hardware caches what an unmap does not reach.
//!
//! An attachment, and with it the tag, stays until the domain goes, and can be there before the
//! first route ([`Domain::reserve`]). So a device can always come (back) to a domain that is made
//! for its instance: that allocates nothing, and cannot fail. The C core does so where it must not
//! fail: at first, when a device leaves another domain, and when it undoes a change.
//!
//! Routes hold a reference to the domain. The table is therefore not freed while an entry points
//! at it, whatever a caller does.

use crate::{
    ats::{
        CachedBy,
        DeviceTlbs, //
    },
    driver::{
        Caches,
        Scope, //
    },
    endpoint::Endpoint,
    instance::{
        Instance,
        Tag, //
    },
    route::Route,
    table::PageTable, //
};
use iommu_ext::{
    addr::IovaRange,
    gather::Gather,
    module,
    sync::{
        marked::{
            load_acquire,
            smp_mb, //
        },
        rcu_list::RcuList, //
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        rcu,
        Arc,
        Mutex, //
    }, //
};

/// The use of a domain by one instance, now or at some time before.
struct Attachment {
    instance: Arc<Instance>,
    /// What the instance's TLB calls the domain.
    tag: Tag,
    /// Routes of this instance that lead to the domain. Changed under [`Domain::lock`].
    routes: Atomic<u64>,
    /// The driver of the instance, whose reference may be the last. Dropped last.
    _owner: Option<module::Pin>,
}

impl Drop for Attachment {
    /// The domain is dropped. Routes hold references to it, so none is left; what was cached was
    /// flushed when the last one left, or the domain would have been kept for good.
    #[inline]
    fn drop(&mut self) {
        self.instance.free_tag(self.tag);
    }
}

/// One I/O address space.
#[pin_data]
pub struct Domain {
    table: Arc<dyn PageTable>,
    #[pin]
    attachments: RcuList<Attachment>,
    /// The device TLBs among what must be reached, of all instances.
    #[pin]
    device_tlbs: RcuList<CachedBy>,
    /// Routes that lead here, of all instances. Changed under `lock`.
    routes: Atomic<u64>,
    /// Serialises attaching to and leaving the domain.
    #[pin]
    lock: Mutex<()>,
}

impl Domain {
    /// A domain that translates by `table`, with no route to it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(table: Arc<dyn PageTable>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                table,
                attachments <- RcuList::new(),
                device_tlbs <- RcuList::new(),
                routes: Atomic::new(0),
                lock <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )
    }

    /// The page table.
    #[inline]
    pub fn table(&self) -> &Arc<dyn PageTable> {
        &self.table
    }

    /// Sends the invalidation that an unmap owes, and then frees the table pages it cut out.
    ///
    /// If a unit does not answer, the pages are kept for good: it may still walk them. Any
    /// context.
    #[inline]
    pub fn sync(&self, gather: &mut Gather) {
        if self.is_attached() {
            self.sync_instances(gather);
        } else if gather.has_pages() {
            gather.free_pages();
        }
    }

    #[inline(never)]
    fn sync_instances(&self, gather: &mut Gather) {
        let caches = if gather.has_pages() {
            Caches::LeavesAndTables
        } else {
            Caches::Leaves
        };
        let done = match gather.range() {
            Some(range) => self.invalidate_instances(&Scope::Range(range, caches)),
            None => Ok(()),
        };
        if gather.has_pages() {
            match done {
                Ok(()) => gather.free_pages(),
                Err(_) => gather.leak_pages(),
            }
        }
    }

    /// Drops everything that any instance has cached of this domain. Any context.
    ///
    /// # Errors
    ///
    /// As [`Driver::invalidate`](crate::driver::Driver::invalidate).
    pub fn flush_all(&self) -> Result {
        self.invalidate(&Scope::Tag)
    }

    /// Makes new mappings of `range` count, on instances that cache missing ones. Any context.
    ///
    /// # Errors
    ///
    /// As [`Driver::invalidate`](crate::driver::Driver::invalidate).
    pub fn sync_map(&self, range: IovaRange) -> Result {
        self.invalidate(&Scope::Range(range, Caches::LeavesAndTables))
    }

    #[inline]
    fn invalidate(&self, scope: &Scope) -> Result {
        if self.is_attached() {
            self.invalidate_instances(scope)
        } else {
            Ok(())
        }
    }

    /// Whether an instance may have cached what the caller has cleared before.
    #[inline]
    fn is_attached(&self) -> bool {
        // The caller has cleared an entry, and reads how many routes there are, here and in the
        // list. Who attaches has counted a route, and has its instance read the table. Each must
        // see what the other has written first: either the route is found here, or the instance
        // does not see the old entry any more. Writing the hardware's entry and waiting for it is
        // the other barrier.
        smp_mb();
        // Acquire: what is not used any more is freed after the flush of who has left.
        load_acquire(&self.routes) != 0
    }

    /// One invalidation per instance, all of them sent even if one fails.
    #[inline]
    fn invalidate_instances(&self, scope: &Scope) -> Result {
        let guard = rcu::read_lock();
        let mut result = Ok(());
        for attachment in self.attachments.iter(&guard) {
            let Attachment { instance, tag, .. } = attachment;
            // Acquire: as in `is_attached`.
            if load_acquire(&attachment.routes) == 0 {
                continue;
            }
            let device_tlbs = DeviceTlbs::behind(instance, self.device_tlbs.iter(&guard));
            let sent = instance.invalidate(*tag, scope, device_tlbs);
            result = result.and(sent);
        }
        result
    }

    /// Takes what a route of the instance to the domain needs, for when there will be one.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the instance has no more tags.
    /// - `ENODEV`: its driver is being unloaded.
    /// - `ENOMEM`.
    pub fn reserve(&self, instance: &Arc<Instance>) -> Result {
        let _lock = self.lock.lock();
        if self.attachment(instance, &rcu::read_lock()).is_some() {
            return Ok(());
        }
        let owner = instance.owner().map(module::Pin::new).transpose()?;
        self.attachments.push(Attachment {
            tag: instance.alloc_tag()?,
            instance: instance.clone(),
            routes: Atomic::new(0),
            _owner: owner,
        })
    }

    /// Counts one more route to the domain, and returns the tag to use for it. From here on,
    /// invalidations of the domain reach the instance.
    ///
    /// # Errors
    ///
    /// None after [`reserve`](Self::reserve), or if a route of the instance has led here before.
    /// Else as of that.
    pub(crate) fn enter(&self, instance: &Arc<Instance>) -> Result<Tag> {
        self.reserve(instance)?;
        let _lock = self.lock.lock();
        let guard = rcu::read_lock();
        let attachment = self.attachment(instance, &guard).ok_or(EINVAL)?;
        attachment.routes.add(1, Relaxed);
        self.routes.add(1, Relaxed);
        Ok(attachment.tag)
    }

    /// What the instance's TLB calls the domain, if a route of the instance leads, or has led, here.
    pub(crate) fn tag(&self, instance: &Arc<Instance>) -> Option<Tag> {
        Some(self.attachment(instance, &rcu::read_lock())?.tag)
    }

    /// From here on, invalidations of the domain reach the TLB of the device as well, whose ATS is
    /// on; and the IOTLB, under `tag`, holds nothing that was unmapped before ([`ats`](crate::ats)).
    ///
    /// # Errors
    ///
    /// The TLB is not reached, the device must not ask, and
    ///
    /// - `ENOMEM`.
    /// - as [`Driver::invalidate`](crate::driver::Driver::invalidate).
    pub(crate) fn enter_device_tlb(
        &self,
        endpoint: &Arc<Endpoint>,
        route: Route,
        tag: Tag,
    ) -> Result {
        let is_listed = {
            let guard = rcu::read_lock();
            let found = self
                .device_tlbs
                .iter(&guard)
                .any(|by| by.is(endpoint, route));
            found
        };
        if !is_listed {
            self.device_tlbs.push(CachedBy {
                endpoint: endpoint.clone(),
                route,
            })?;
        }
        // Pairs with `is_attached`, which clears an entry before it reads the list: either the
        // unmap finds the TLB, or the unit finds the entry cleared after this flush. The register
        // write that tells the unit of the request is the barrier here.
        endpoint
            .instance()
            .invalidate(tag, &Scope::Tag, DeviceTlbs::none())
            .inspect_err(|_| self.forget_device_tlb(endpoint, route))
    }

    /// Drops what is cached under the tag and in the device's TLB, and counts one route less of
    /// `endpoint`, whose entry points elsewhere by now. Allocates nothing.
    ///
    /// # Errors
    ///
    /// As [`Driver::invalidate`](crate::driver::Driver::invalidate); the caller must then keep the
    /// domain, and with it the tag, for good.
    pub(crate) fn leave(&self, endpoint: &Arc<Endpoint>, route: Route) -> Result {
        let flushed = self.uncount(endpoint);
        self.forget_device_tlb(endpoint, route);
        flushed
    }

    /// As [`leave`](Self::leave), for a route that was attached to the domain once more: its device
    /// may still ask, and so its TLB is still reached.
    ///
    /// # Errors
    ///
    /// As of that.
    pub(crate) fn uncount(&self, endpoint: &Arc<Endpoint>) -> Result {
        let instance = endpoint.instance();
        let _lock = self.lock.lock();
        let guard = rcu::read_lock();
        let Some(attachment) = self.attachment(instance, &guard) else {
            return Ok(());
        };
        let device_tlbs = DeviceTlbs::behind(instance, self.device_tlbs.iter(&guard));
        let flushed = instance.invalidate(attachment.tag, &Scope::Tag, device_tlbs);
        // If the unit does not answer it may still walk the table. The route stays counted then, so
        // that no later unmap takes its invalidation for done and frees table pages.
        if flushed.is_ok() {
            // Release: who finds no route finds what is cached flushed.
            attachment.routes.fetch_sub(1, Release);
            self.routes.fetch_sub(1, Release);
        }
        flushed
    }

    /// Has invalidations pass over the device's TLB: it holds nothing of the domain, or never did.
    pub(crate) fn forget_device_tlb(&self, endpoint: &Arc<Endpoint>, route: Route) {
        if endpoint.device_tlb().is_some() {
            self.device_tlbs.remove(|by| by.is(endpoint, route));
        }
    }

    fn attachment<'a>(
        &'a self,
        instance: &Arc<Instance>,
        guard: &'a rcu::Guard,
    ) -> Option<&'a Attachment> {
        self.attachments
            .iter(guard)
            .find(|attachment| Arc::ptr_eq(&attachment.instance, instance))
    }
}

#[kernel::macros::kunit_tests(rust_iommu_domains)]
mod tests {
    use super::*;
    use crate::{
        driver::Limits,
        recorder::{
            self,
            Call,
            Unit,
            LIMITS, //
        },
        route::Pasid, //
    };
    use iommu_ext::{
        addr::Iova,
        pages::{
            Gfp,
            NumaNode,
            TablePage, //
        }, //
    };

    fn range() -> Result<IovaRange> {
        IovaRange::new(Iova(0x5000), Iova(0x8fff)).ok_or(EINVAL)
    }

    #[test]
    fn a_tag_per_unit_as_long_as_the_domain() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let devices = [unit.endpoint(&[0x10])?, unit.endpoint(&[0x18])?];
        let pasid = Route::Pasid(Pasid::new(7)?);
        let [domain, other] = [recorder::domain()?, recorder::domain()?];
        let ways = [
            (&devices[0], Route::Rid),
            (&devices[1], Route::Rid),
            (&devices[1], pasid),
        ];
        for (device, _) in ways {
            assert_eq!(domain.enter(device.instance()), Ok(Tag(1)));
        }
        assert_eq!(other.enter(devices[0].instance()), Ok(Tag(2)));
        assert_eq!(unit.instance.domains(), 2);
        assert!(unit.driver.was_told(&[])?);
        let flush = Call::Flush(Tag(1), Scope::Tag);
        for (device, route) in ways {
            domain.flush_all()?;
            domain.leave(device, route)?;
            assert!(unit.driver.was_told(&[flush, flush])?);
        }
        // Nobody is there.
        domain.flush_all()?;
        assert!(unit.driver.was_told(&[])?);
        drop(domain);
        assert_eq!(unit.instance.domains(), 1);
        // Who never entered.
        recorder::domain()?.leave(&devices[0], Route::Rid)?;
        assert!(unit.driver.was_told(&[])?);
        other.leave(&devices[0], pasid)?;
        drop(other);
        assert_eq!(unit.instance.domains(), 0);
        Ok(())
    }

    #[test]
    fn no_tag_is_left() -> Result {
        let mut unit = Unit::new(Limits {
            last_tag: 1,
            ..LIMITS
        })?;
        let device = unit.endpoint(&[0x10])?;
        let [domain, other] = [recorder::domain()?, recorder::domain()?];
        assert_eq!(domain.enter(device.instance()), Ok(Tag(1)));
        assert_eq!(other.enter(device.instance()), Err(ENOSPC));
        other.flush_all()?;
        assert!(unit.driver.was_told(&[])?);
        // Who was there can always come back.
        domain.leave(&device, Route::Rid)?;
        assert_eq!(other.enter(device.instance()), Err(ENOSPC));
        assert_eq!(domain.enter(device.instance()), Ok(Tag(1)));
        domain.leave(&device, Route::Rid)?;
        drop(domain);
        assert_eq!(other.enter(device.instance()), Ok(Tag(1)));
        other.leave(&device, Route::Rid)
    }

    #[test]
    fn what_is_reserved_is_there() -> Result {
        let mut unit = Unit::new(Limits {
            last_tag: 1,
            ..LIMITS
        })?;
        let device = unit.endpoint(&[0x10])?;
        let [domain, other] = [recorder::domain()?, recorder::domain()?];
        for _ in 0..2 {
            domain.reserve(device.instance())?;
            assert_eq!(unit.instance.domains(), 1);
        }
        assert_eq!(other.reserve(device.instance()), Err(ENOSPC));
        // Nobody is there yet.
        domain.flush_all()?;
        assert!(unit.driver.was_told(&[])?);
        assert_eq!(domain.enter(device.instance()), Ok(Tag(1)));
        domain.leave(&device, Route::Rid)?;
        drop(domain);
        assert_eq!(unit.instance.domains(), 0);
        Ok(())
    }

    #[test]
    fn one_invalidation_for_each_unit() -> Result {
        let mut units = [Unit::new(LIMITS)?, Unit::new(LIMITS)?, Unit::new(LIMITS)?];
        let domain = recorder::domain()?;
        let [first, second, third] = &mut units;
        let devices = [
            first.endpoint(&[1])?,
            first.endpoint(&[2])?,
            second.endpoint(&[1])?,
        ];
        assert_eq!(second.instance.alloc_tag(), Ok(Tag(1)));
        for device in &devices {
            domain.enter(device.instance())?;
        }
        let range = range()?;
        Gather::with_new(|gather| {
            domain.sync(gather);
            gather.add_range(range);
            domain.sync(gather);
        });
        domain.sync_map(range)?;
        domain.flush_all()?;
        for (unit, tag) in [(first, Tag(1)), (second, Tag(2))] {
            let calls = [
                Call::Flush(tag, Scope::Range(range, Caches::Leaves)),
                Call::Flush(tag, Scope::Range(range, Caches::LeavesAndTables)),
                Call::Flush(tag, Scope::Tag),
            ];
            assert!(unit.driver.was_told(&calls)?);
        }
        assert!(third.driver.was_told(&[])?);
        for device in &devices {
            domain.leave(device, Route::Rid)?;
        }
        Ok(())
    }

    #[test]
    fn tables_are_freed_after_the_invalidation() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let device = unit.endpoint(&[1])?;
        let domain = recorder::domain()?;
        domain.enter(device.instance())?;
        let range = range()?;
        Gather::with_new(|gather| -> Result {
            gather.add_range(range);
            gather.add_page(TablePage::alloc(NumaNode::ANY, Gfp::KERNEL)?);
            gather.add_page(TablePage::alloc(NumaNode::ANY, Gfp::KERNEL)?);
            domain.sync(gather);
            assert_eq!(gather.pages(), 0);
            Ok(())
        })?;
        let scope = Scope::Range(range, Caches::LeavesAndTables);
        assert!(unit.driver.was_told(&[Call::Flush(Tag(1), scope)])?);
        domain.leave(&device, Route::Rid)
    }

    #[test]
    fn all_units_are_told_even_if_one_does_not_answer() -> Result {
        let mut units = [Unit::new(LIMITS)?, Unit::new(LIMITS)?, Unit::new(LIMITS)?];
        let domain = recorder::domain()?;
        for unit in &mut units {
            domain.enter(unit.endpoint(&[1])?.instance())?;
        }
        let flush = Call::Flush(Tag(1), Scope::Tag);
        for fails in 0..3 {
            if let Some(unit) = units.get(fails) {
                unit.driver.hang();
            }
            assert_eq!(domain.flush_all(), Err(EIO));
            for (index, unit) in units.iter().enumerate() {
                let calls = [flush, Call::CutOff];
                let told = calls.get(..=usize::from(index == fails)).ok_or(EINVAL)?;
                assert!(unit.driver.was_told(told)?);
            }
        }
        Ok(())
    }

    #[test]
    fn a_unit_that_does_not_answer_is_not_left() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let device = unit.endpoint(&[1])?;
        let domain = recorder::domain()?;
        domain.enter(device.instance())?;
        unit.driver.hang();
        assert_eq!(domain.leave(&device, Route::Rid), Err(EIO));
        // The tag is not used again, and later unmaps are told, and told to keep the tables.
        assert_eq!(unit.instance.domains(), 1);
        assert_eq!(domain.flush_all(), Err(EIO));
        let flush = Call::Flush(Tag(1), Scope::Tag);
        assert!(unit.driver.was_told(&[flush, Call::CutOff, flush])?);
        Ok(())
    }
}
