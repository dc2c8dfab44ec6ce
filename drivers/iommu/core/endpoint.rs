// SPDX-License-Identifier: GPL-2.0

//! Endpoints: devices behind an instance.

use crate::{
    ats::DeviceTlb,
    instance::Instance, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// A device behind an instance.
///
/// It is found by its requester IDs when a fault names one, from the moment it joins the instance
/// ([`Instance::probe`]) until it leaves.
pub struct Endpoint {
    name: CString,
    instance: Arc<Instance>,
    ids: KVec<u32>,
    device_tlb: Option<DeviceTlb>,
}

impl Endpoint {
    /// `ids`: every requester ID (PCI: RID, SMMU: StreamID) that the device's DMA may carry,
    /// those of aliasing bridges included. `device_tlb`: what the device caches, if it may.
    pub(crate) fn new(
        name: CString,
        instance: Arc<Instance>,
        ids: KVec<u32>,
        device_tlb: Option<DeviceTlb>,
    ) -> Self {
        Self {
            name,
            instance,
            ids,
            device_tlb,
        }
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

    /// The TLB of the device; `None` if it has none, or must not use it.
    pub fn device_tlb(&self) -> Option<&DeviceTlb> {
        self.device_tlb.as_ref()
    }
}
