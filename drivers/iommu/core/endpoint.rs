// SPDX-License-Identifier: GPL-2.0

//! Endpoints: devices behind an instance.

use crate::instance::Instance;
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
}

impl Endpoint {
    /// `ids`: every requester ID (PCI: RID, SMMU: StreamID) that the device's DMA may carry,
    /// those of aliasing bridges included.
    pub(crate) fn new(name: CString, instance: Arc<Instance>, ids: KVec<u32>) -> Self {
        Self {
            name,
            instance,
            ids,
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
}
