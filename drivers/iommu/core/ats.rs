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
//! A device answers invalidations while its ATS is on, and caches translations while the entry of
//! its route lets it ask for them. To join a domain:
//!
//! 1. ATS is turned on. (A device that asks now is refused, as it would be without ATS: a device is
//!    quiet while its DMA is not translated yet.)
//! 2. The device TLB joins the domain's list.
//! 3. The IOTLB drops the domain. An unmap that has read the list before step 2 may still wait for
//!    its invalidation, and another device may have filled the IOTLB with what was unmapped: the
//!    device would be answered from there. If the unit does not do this, the device does not use
//!    ATS.
//! 4. The entry that lets the device ask is written.
//!
//! To leave, the entry goes first: what the device still holds is of no use then. Its TLB is
//! flushed while it still answers, and leaves the list; when no one is left who may have found it
//! there, ATS is turned off. So
//!
//! - no invalidation is sent to a device whose ATS is off, and
//! - no device holds a translation that an unmap does not reach: an unmap either finds the device
//!   TLB, or has cleared its entry before step 3, and the device is answered from the table.
//!
//! # Before the unit translates
//!
//! Devices get their domains while translation of their unit is still off. VT-d advises against ATS,
//! and against invalidations of device TLBs, in that state. Such devices do without ATS at first, and
//! are on no list: the instance notes them, and [`Instance::begin_translating`] has them
//! join, in the order above. To detach a unit, all its devices leave their domains, and with that
//! ATS is off, before translation is. While the machine sleeps no device asks or is asked.
//!
//! # A device that does not answer
//!
//! PCIe leaves a device a minute to answer. Nothing may wait that long with interrupts off, so that a
//! driver of a unit leaves it less; then the device has failed. The driver that has waited for it
//! makes the entry one that refuses what the device has cached ([`Target::give_up`]). From then on
//! the device is passed over, and no entry lets it ask any more, until it is probed again. Its
//! other DMA goes on. ATS is turned off when it next leaves a domain, where that may be done.

use crate::{
    endpoint::Endpoint,
    instance::Instance,
    route::Route, //
};
use iommu_ext::sync::{
    marked::smp_mb,
    rcu_list::{
        self,
        Iter, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
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
    /// How often an invalidation is sent before the device is believed to have done it.
    requests: Requests,
    /// Changed with the endpoint's group locked.
    is_on: Atomic<bool>,
    /// No entry may let the device ask any more.
    is_refused: Atomic<bool>,
    /// No entry lets the device ask any more.
    is_cut_off: Atomic<bool>,
}

/// How often an invalidation is sent to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requests {
    /// Once, as to every device that does what PCIe says.
    Once,
    /// Twice: the first one may be answered too soon
    /// ([`Quirk::InvalidateTwice`](crate::quirks::Quirk::InvalidateTwice)).
    Twice,
}

impl DeviceTlb {
    /// A TLB that is off.
    pub fn new(control: Arc<dyn Control>, queue_depth: u8, physical_id: u32) -> Self {
        Self {
            control,
            queue_depth,
            physical_id,
            requests: Requests::Once,
            is_on: Atomic::new(false),
            is_refused: Atomic::new(false),
            is_cut_off: Atomic::new(false),
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

    /// The TLB, of a device that each invalidation is to be sent to so often.
    pub fn with_requests(self, requests: Requests) -> Self {
        Self { requests, ..self }
    }

    /// How often an invalidation is to be sent.
    #[inline]
    pub fn requests(&self) -> Requests {
        self.requests
    }

    /// Whether ATS is on.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Turns ATS on, if it is off.
    ///
    /// # Errors
    ///
    /// `EIO`: the device was [given up](Target::give_up). Else as [`Control::enable`].
    pub(crate) fn enable(&self) -> Result {
        if self.is_refused.load(Relaxed) {
            return Err(EIO);
        }
        if !self.is_on() {
            self.control.enable()?;
            self.is_on.store(true, Relaxed);
        }
        Ok(())
    }

    /// Turns ATS off, if it is on. No entry lets the device ask any more, and it is on no list. May
    /// sleep.
    pub(crate) fn disable(&self) {
        if self.is_on() {
            // Who has found it on a list may still be sending.
            rcu_list::synchronize();
            self.control.disable();
            self.is_on.store(false, Relaxed);
        }
    }

    /// Whether an entry that was written just before must not let the device ask.
    pub(crate) fn is_refused(&self) -> bool {
        // Who gives the device up has said so, and then changes the entry. Either it finds the
        // entry that was written, or it is found here.
        smp_mb();
        self.is_refused.load(Relaxed)
    }

    /// Whether invalidations pass over the device, which may be here no longer.
    fn is_passed_over(&self) -> bool {
        // Acquire: what was done to cut it off was done before.
        self.is_cut_off.load(Acquire) || self.control.is_gone()
    }
}

/// A route whose device may have cached translations of a domain.
pub(crate) struct CachedBy {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) route: Route,
}

impl CachedBy {
    /// Whether it is this route of this device.
    pub(crate) fn is(&self, endpoint: &Arc<Endpoint>, route: Route) -> bool {
        Arc::ptr_eq(&self.endpoint, endpoint) && self.route == route
    }
}

/// A device TLB that an invalidation must reach.
pub struct Target<'a> {
    /// The device.
    pub tlb: &'a DeviceTlb,
    /// The device's name.
    pub name: &'a CStr,
    /// Requester ID that reaches it.
    pub id: u32,
    /// The traffic that the translations are for.
    pub route: Route,
}

impl Target<'_> {
    /// Gives up a device that does not answer: `cut_off` has the hardware refuse what the device
    /// has cached and may ask for. It may be called by several CPUs at a time. Any context.
    ///
    /// # Errors
    ///
    /// As `cut_off`; the device may then still use what it has cached.
    pub fn give_up(&self, cut_off: impl FnOnce() -> Result) -> Result {
        let Self { tlb, name, .. } = self;
        // Full: before the entry is changed; see `DeviceTlb::is_refused`.
        if !tlb.is_refused.xchg(true, Full) {
            pr_err!("{name}: its TLB cannot be invalidated: its ATS is not used any more\n");
        }
        cut_off()?;
        // Not before: whoever passes over the device relies on it.
        tlb.is_cut_off.store(true, Release);
        Ok(())
    }
}

/// The device TLBs of one instance that an invalidation must reach: devices that are gone, or were
/// given up, are not among them.
#[derive(Clone)]
pub struct DeviceTlbs<'a>(Option<(Iter<'a, CachedBy>, &'a Arc<Instance>)>);

impl<'a> DeviceTlbs<'a> {
    /// None at all.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.clone().next().is_none()
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
            let wanted = Arc::ptr_eq(endpoint.instance(), instance) && !tlb.is_passed_over();
            wanted.then_some(Target {
                tlb,
                name: endpoint.name(),
                id: endpoint.ids().first().copied()?,
                route: *route,
            })
        })
    }
}
