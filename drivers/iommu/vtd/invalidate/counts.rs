// SPDX-License-Identifier: GPL-2.0

//! The count of the requests that were sent.

use super::descriptor::Descriptor;

/// Requests by kind.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    /// Context-cache invalidations of everything.
    pub(crate) context_global: u64,
    /// Context-cache invalidations of one requester.
    pub(crate) context_device: u64,
    /// IOTLB invalidations of everything.
    pub(crate) iotlb_global: u64,
    /// IOTLB invalidations of a domain.
    pub(crate) iotlb_domain: u64,
    /// IOTLB invalidations of some pages.
    pub(crate) iotlb_page: u64,
    /// Invalidations of devices' own TLBs.
    pub(crate) device_tlb: u64,
    /// Waits.
    pub(crate) wait: u64,
    /// How often the queue was turned off and on again, as nothing got on.
    pub(crate) recoveries: u64,
}

impl Counts {
    /// Counts one request.
    #[inline]
    pub(super) fn count(&mut self, descriptor: Descriptor) {
        let counter = match descriptor {
            Descriptor::ContextGlobal => &mut self.context_global,
            Descriptor::ContextDevice { .. } => &mut self.context_device,
            Descriptor::IotlbGlobal => &mut self.iotlb_global,
            Descriptor::IotlbDomain(_) => &mut self.iotlb_domain,
            Descriptor::IotlbPages { .. } => &mut self.iotlb_page,
            Descriptor::DeviceTlb { .. } => &mut self.device_tlb,
        };
        *counter = counter.wrapping_add(1);
    }
}
