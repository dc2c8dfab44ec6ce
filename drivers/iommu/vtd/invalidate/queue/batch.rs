// SPDX-License-Identifier: GPL-2.0

//! Requests that can be sent more than once.

use super::super::descriptor::Descriptor;

/// A few requests, as many as one wait is sent for.
pub(super) struct Batch {
    requests: [Descriptor; Self::CAPACITY],
    len: usize,
}

impl Batch {
    /// Enough for a range in page-selective descriptors and what else goes with it; few enough
    /// for several CPUs to have a batch in the ring at a time.
    pub(super) const CAPACITY: usize = 24;

    /// A batch of the next requests, as many as there is room for.
    pub(super) fn of(requests: &mut impl Iterator<Item = Descriptor>) -> Self {
        let mut batch = Self {
            requests: [Descriptor::ContextGlobal; Self::CAPACITY],
            len: 0,
        };
        for (place, request) in batch.requests.iter_mut().zip(requests) {
            *place = request;
            batch.len = batch.len.wrapping_add(1);
        }
        batch
    }

    /// Leaves out all requests but those to devices.
    pub(super) fn keep_devices(&mut self) {
        let all = self.requests.into_iter().take(self.len);
        let mut to_devices = all.filter(|request| request.device().is_some());
        *self = Self::of(&mut to_devices);
    }

    /// Whether there is no request in it.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The devices that requests are to, once for each request.
    pub(super) fn devices(&self) -> impl Iterator<Item = u16> + '_ {
        self.requests().filter_map(Descriptor::device)
    }

    /// The requests.
    pub(super) fn requests(&self) -> impl Iterator<Item = Descriptor> + '_ {
        let requests = self.requests.get(..self.len).unwrap_or_default();
        requests.iter().copied()
    }
}
