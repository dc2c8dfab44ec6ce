// SPDX-License-Identifier: GPL-2.0

//! Time, which on the host passes only while someone waits.

use std::{
    cell::Cell,
    marker::PhantomData, //
};

thread_local! {
    static WAITED: Cell<i64> = const { Cell::new(0) };
}

/// For tests: how long this thread has waited without sleeping, by what it has asked for.
pub fn waited() -> Delta {
    Delta(WAITED.get())
}

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Delta(i64);

impl Delta {
    /// A span of `micros` microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros * 1000)
    }

    /// The span in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000_000
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
    pub fn udelay(delta: Delta) {
        super::WAITED.set(super::WAITED.get() + delta.0);
        cpu_relax();
    }

    /// Waits.
    pub fn fsleep(_: Delta) {
        cpu_relax();
    }
}
