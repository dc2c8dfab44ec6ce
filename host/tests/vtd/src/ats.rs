// SPDX-License-Identifier: GPL-2.0

//! Devices with a TLB of their own, as the front end hands them to the core.

use crate::machine::Machine;
use iommu_core::ats::{
    Control,
    DeviceTlb, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use std::sync::{
    self as host,
    atomic::{
        AtomicBool,
        Ordering::Relaxed, //
    }, //
};

/// How ATS of a device is turned on and off.
pub(crate) struct Ats {
    hardware: host::Arc<vtd_model::Unit>,
    sid: u16,
    /// As PCIe encodes it: 0 is 32.
    depth: u8,
    refuses: bool,
    is_gone: AtomicBool,
}

impl Ats {
    /// A device that can hold `depth` requests to drop something, as PCIe encodes it. `refuses`:
    /// its ATS cannot be turned on.
    pub(crate) fn new(machine: &Machine, sid: u16, depth: u8, refuses: bool) -> Arc<Self> {
        let ats = Self {
            hardware: machine.hardware.clone(),
            sid,
            depth,
            refuses,
            is_gone: AtomicBool::new(false),
        };
        Arc::new(ats, GFP_KERNEL).unwrap()
    }

    /// What the core knows of the device.
    pub(crate) fn device_tlb(self: Arc<Self>) -> DeviceTlb {
        let (depth, sid) = (self.depth, self.sid);
        DeviceTlb::new(self, depth, sid.into())
    }

    /// Whether ATS can be turned on.
    pub(crate) fn works(&self) -> bool {
        !self.refuses && !self.is_gone()
    }

    /// Whether ATS cannot be turned on, even while the device is there.
    pub(crate) fn refuses(&self) -> bool {
        self.refuses
    }

    /// Whether ATS is on.
    pub(crate) fn is_on(&self) -> bool {
        self.hardware.has_device_tlb(self.sid)
    }

    /// The device is pulled out.
    pub(crate) fn go(&self) {
        self.is_gone.store(true, Relaxed);
        self.hardware.disable_device_tlb(self.sid);
    }
}

impl Control for Ats {
    fn enable(&self) -> Result {
        if !self.works() {
            return Err(EIO);
        }
        let depth = usize::from(self.depth.wrapping_sub(1) % 32) + 1;
        self.hardware.enable_device_tlb(self.sid, depth);
        Ok(())
    }

    fn disable(&self) {
        self.hardware.disable_device_tlb(self.sid);
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }
}
