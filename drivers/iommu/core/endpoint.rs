// SPDX-License-Identifier: GPL-2.0

//! Endpoints: devices behind an instance.

use crate::{
    ats::DeviceTlb,
    instance::Instance, //
};
use iommu_ext::{
    new_irq_lock,
    sync::irq_lock::IrqLock, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// How a front end keeps a device from doing DMA, without the help of an IOMMU.
pub trait BusMaster: Send + Sync {
    /// Turns the device's DMA off, and waits until the writes that the device has sent before have
    /// arrived. A driver may turn DMA on again. Any context.
    fn stop(&self);
}

/// A device behind an instance.
///
/// It is found by its requester IDs when a fault names one, from the moment it joins the instance
/// ([`Instance::probe`]) until it leaves.
#[pin_data]
pub struct Endpoint {
    name: CString,
    instance: Arc<Instance>,
    ids: KVec<u32>,
    device_tlb: Option<DeviceTlb>,
    /// `None` once the device is released: what is in here may hold a reference to it, which must
    /// be dropped where sleeping is allowed, and not by RCU.
    #[pin]
    bus_master: IrqLock<Option<Arc<dyn BusMaster>>>,
}

impl Endpoint {
    /// `ids`: every requester ID (PCI: RID, SMMU: StreamID) that the device's DMA may carry,
    /// those of aliasing bridges included. `device_tlb`: what the device caches, if it may.
    /// `bus_master`: how its DMA is stopped, if that is possible.
    pub(crate) fn new(
        name: CString,
        instance: Arc<Instance>,
        ids: KVec<u32>,
        device_tlb: Option<DeviceTlb>,
        bus_master: Option<Arc<dyn BusMaster>>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            name,
            instance,
            ids,
            device_tlb,
            bus_master <- new_irq_lock!(bus_master, "Endpoint.bus_master"),
        })
    }

    /// The device's name, as in `0000:00:02.0`.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The instance that translates the device's DMA.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// Every requester ID that the device's DMA may carry.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Stops the device's DMA at the device. Returns whether there is a way to. Any context.
    pub(crate) fn stop_dma(&self) -> bool {
        let bus_master = self.bus_master.lock();
        if let Some(bus_master) = &*bus_master {
            bus_master.stop();
        }
        bus_master.is_some()
    }

    /// Forgets how the device's DMA is stopped. May sleep.
    pub(crate) fn forget_bus_master(&self) {
        let bus_master = self.bus_master.lock().take();
        // With the lock released.
        drop(bus_master);
    }

    /// The TLB of the device; `None` if it has none, or must not use it.
    pub fn device_tlb(&self) -> Option<&DeviceTlb> {
        self.device_tlb.as_ref()
    }
}
