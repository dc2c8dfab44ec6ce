// SPDX-License-Identifier: GPL-2.0

//! Requests that have timed out, on their way to the queue once more.

use super::descriptor::Descriptor;

/// A few requests, as many as one wait is sent for.
pub(super) struct Batch {
    requests: [Descriptor; Self::CAPACITY],
    len: usize,
}

impl Batch {
    /// Enough for a range in page-selective descriptors and what else goes with it; few enough
    /// for several CPUs to have a batch in the ring at a time.
    pub(super) const CAPACITY: usize = 24;

    /// A batch without requests.
    pub(super) fn new() -> Self {
        Self {
            requests: [Descriptor::ContextGlobal; Self::CAPACITY],
            len: 0,
        }
    }

    /// A batch of one request.
    pub(super) fn of(request: Descriptor) -> Self {
        Self {
            requests: [request; Self::CAPACITY],
            len: 1,
        }
    }

    /// Adds a request; gives it back if the batch is full.
    pub(super) fn push(&mut self, request: Descriptor) -> Result<(), Descriptor> {
        *self.requests.get_mut(self.len).ok_or(request)? = request;
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// Only the requests to devices.
    pub(super) fn to_devices(&self) -> Self {
        let mut devices = Self::new();
        for request in self.requests().filter(|request| request.device().is_some()) {
            // There are no more than there were.
            let _ = devices.push(request);
        }
        devices
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
