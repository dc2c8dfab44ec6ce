// SPDX-License-Identifier: GPL-2.0

//! Device TLBs: translations that a device keeps itself (PCIe ATS, chapter 10).
//!
//! A device with ATS asks for translations and caches them, so that an unmap is not done before
//! the device has dropped them, too. A domain knows the device TLBs that may hold its translations
//! ([`CachedBy`]), and hands them to the driver with each invalidation ([`DeviceTlbs`]): device
//! TLBs are invalidated after the IOTLB, from which they would fill again.
//!
//! # Order
//!
//! A device TLB is on the domain's list *before* ATS is turned on, and the route's entry lets the
//! device ask only while it is on the list. To leave, the entry goes first: what the device still
//! holds is of no use then. Its TLB is flushed while it still answers, then it leaves the list,
//! and ATS is turned off last. A device that comes back finds an empty TLB.

use crate::{
    endpoint::Endpoint,
    instance::Instance,
    route::Route, //
};
use iommu_ext::sync::rcu_list::Iter;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// How a front end turns ATS of a device on and off.
pub trait Control: Send + Sync {
    /// Turns it on, which is off.
    ///
    /// # Errors
    ///
    /// The device will not; it stays off.
    fn enable(&self) -> Result;

    /// Turns it off, which is on.
    fn disable(&self);

    /// Whether the device is no longer there. It would not answer. Any context.
    fn is_gone(&self) -> bool;
}

/// The TLB of a device.
pub struct DeviceTlb {
    control: Arc<dyn Control>,
    /// How many invalidations the device can hold, as PCIe encodes it (10.5.1.2).
    queue_depth: u8,
    /// Requester ID of the function whose queue holds them: for a virtual function the physical
    /// one.
    physical_id: u32,
    /// Changed with the endpoint's group locked.
    is_on: Atomic<bool>,
}

impl DeviceTlb {
    /// A TLB that is off.
    pub fn new(control: Arc<dyn Control>, queue_depth: u8, physical_id: u32) -> Self {
        Self {
            control,
            queue_depth,
            physical_id,
            is_on: Atomic::new(false),
        }
    }

    /// How many invalidations the device can hold, as PCIe encodes it (10.5.1.2).
    pub fn queue_depth(&self) -> u8 {
        self.queue_depth
    }

    /// Requester ID of the function whose queue holds them.
    pub fn physical_id(&self) -> u32 {
        self.physical_id
    }

    /// Turns ATS on, if it is off.
    ///
    /// # Errors
    ///
    /// As [`Control::enable`].
    pub(crate) fn enable(&self) -> Result {
        if !self.is_on.load(Relaxed) {
            self.control.enable()?;
            self.is_on.store(true, Relaxed);
        }
        Ok(())
    }

    /// Turns ATS off, if it is on. No entry lets the device ask any more.
    pub(crate) fn disable(&self) {
        if self.is_on.xchg(false, Relaxed) {
            self.control.disable();
        }
    }
}

/// A route whose device may have cached translations of a domain.
pub(crate) struct CachedBy {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) route: Route,
}

/// A device TLB that an invalidation must reach.
pub struct Target<'a> {
    /// The device.
    pub tlb: &'a DeviceTlb,
    /// Requester ID that reaches it.
    pub id: u32,
    /// The traffic that the translations are for.
    pub route: Route,
}

/// The device TLBs of one instance that an invalidation must reach: devices that are gone are not
/// among them.
pub struct DeviceTlbs<'a>(Option<(Iter<'a, CachedBy>, &'a Arc<Instance>)>);

impl<'a> DeviceTlbs<'a> {
    /// None at all.
    pub fn none() -> Self {
        Self(None)
    }

    /// Those of `all` that are behind `instance`.
    #[inline]
    pub(crate) fn behind(instance: &'a Arc<Instance>, all: Iter<'a, CachedBy>) -> Self {
        Self(Some((all, instance)))
    }
}

impl<'a> Iterator for DeviceTlbs<'a> {
    type Item = Target<'a>;

    #[inline]
    fn next(&mut self) -> Option<Target<'a>> {
        let (all, instance) = self.0.as_mut()?;
        all.find_map(|CachedBy { endpoint, route }| {
            let tlb = endpoint.device_tlb()?;
            let wanted = Arc::ptr_eq(endpoint.instance(), instance) && !tlb.control.is_gone();
            wanted.then_some(Target {
                tlb,
                id: endpoint.ids().first().copied()?,
                route: *route,
            })
        })
    }
}
