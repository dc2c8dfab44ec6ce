// SPDX-License-Identifier: GPL-2.0

//! The middle one of many times: a timer interrupt makes some of them longer.

use kernel::prelude::*;

/// Times of the same thing.
pub(crate) struct Times(KVec<u64>);

impl Times {
    /// Room for `count` times.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(count: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(count, GFP_KERNEL)?))
    }

    /// Adds one, in nanoseconds.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no room.
    pub(crate) fn add(&mut self, time: u64) -> Result {
        self.0.push_within_capacity(time).map_err(|_| ENOMEM)
    }

    /// The one in the middle, in nanoseconds; 0 if there is none.
    pub(crate) fn median(&self) -> u64 {
        let middle = self.0.len() / 2;
        let below = |limit: u64| self.0.iter().filter(|time| **time < limit).count();
        let up_to = |limit: u64| self.0.iter().filter(|time| **time <= limit).count();
        // Without sorting: there are some hundreds, of few different values.
        self.0
            .iter()
            .copied()
            .find(|time| below(*time) <= middle && middle < up_to(*time))
            .unwrap_or(0)
    }
}
