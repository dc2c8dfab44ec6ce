// SPDX-License-Identifier: GPL-2.0

//! Time, which on the host passes only while someone waits.

use std::marker::PhantomData;

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Delta(i64);

impl Delta {
    /// A span of `micros` microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros * 1000)
    }

    /// Whether the span is empty.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// The clock that never goes back.
pub struct Monotonic;

/// A moment by clock `C`.
pub struct Instant<C>(PhantomData<C>);

impl<C> Instant<C> {
    /// This moment.
    pub fn now() -> Self {
        Self(PhantomData)
    }

    /// How long ago the moment was.
    pub fn elapsed(&self) -> Delta {
        Delta(0)
    }
}

/// Waiting for time to pass.
pub mod delay {
    use super::Delta;
    use crate::processor::cpu_relax;

    /// Waits without sleeping.
    pub fn udelay(_: Delta) {
        cpu_relax();
    }

    /// Waits.
    pub fn fsleep(_: Delta) {
        cpu_relax();
    }
}
