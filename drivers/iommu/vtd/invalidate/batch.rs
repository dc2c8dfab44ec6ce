// SPDX-License-Identifier: GPL-2.0

//! A few requests on their way to the queue, and the count of those that went.

use super::descriptor::{
    device_of,
    Descriptor, //
};
use crate::regs::capability::Drain;

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
}

impl Counts {
    /// Counts one request.
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

    /// Counts the requests of a batch, and the wait that ends it.
    pub(super) fn count_batch(&mut self, batch: &Batch) {
        let more = &batch.counts;
        let add = |counter: &mut u64, more: u64| *counter = counter.wrapping_add(more);
        add(&mut self.context_global, more.context_global);
        add(&mut self.context_device, more.context_device);
        add(&mut self.iotlb_global, more.iotlb_global);
        add(&mut self.iotlb_domain, more.iotlb_domain);
        add(&mut self.iotlb_page, more.iotlb_page);
        add(&mut self.device_tlb, more.device_tlb);
        add(&mut self.wait, 1);
    }
}

/// Encoded requests, as many as one wait is sent for.
pub(super) struct Batch {
    words: [[u64; 2]; Self::CAPACITY],
    len: usize,
    counts: Counts,
    drain: Drain,
}

impl Batch {
    /// Enough for a range in page-selective descriptors and what else goes with it; small enough
    /// for the stack, and for several CPUs to have a batch in the ring at a time.
    const CAPACITY: usize = 24;

    pub(super) fn new(drain: Drain) -> Self {
        Self {
            words: [[0; 2]; Self::CAPACITY],
            len: 0,
            counts: Counts::default(),
            drain,
        }
    }

    /// Adds a request; gives it back if the batch is full.
    pub(super) fn push(&mut self, descriptor: Descriptor) -> Result<(), Descriptor> {
        let slot = self.words.get_mut(self.len).ok_or(descriptor)?;
        *slot = descriptor.encode(self.drain);
        self.len = self.len.wrapping_add(1);
        self.counts.count(descriptor);
        Ok(())
    }

    /// Keeps only the requests to devices. The unit has carried out the others.
    pub(super) fn keep_devices(&mut self) {
        let mut kept = Self::new(self.drain);
        for words in self.devices() {
            kept.push_encoded(words);
        }
        *self = kept;
    }

    /// A batch of the one request to a device.
    pub(super) fn of_device(&self, words: [u64; 2]) -> Self {
        let mut batch = Self::new(self.drain);
        batch.push_encoded(words);
        batch
    }

    fn push_encoded(&mut self, words: [u64; 2]) {
        if let Some(slot) = self.words.get_mut(self.len) {
            *slot = words;
            self.len = self.len.wrapping_add(1);
            self.counts.device_tlb = self.counts.device_tlb.wrapping_add(1);
        }
    }

    /// The encoded requests to devices.
    pub(super) fn devices(&self) -> impl Iterator<Item = [u64; 2]> + Clone + '_ {
        let words = self.words().iter().copied();
        words.filter(|words| device_of(*words).is_some())
    }

    /// The encoded requests.
    pub(super) fn words(&self) -> &[[u64; 2]] {
        self.words.get(..self.len).unwrap_or_default()
    }
}
