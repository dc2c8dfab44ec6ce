// SPDX-License-Identifier: GPL-2.0

//! Rate limits, by which on the host either nothing is held back or all: the interface of
//! `rust/ratelimit.rs`.

use kernel::prelude::*;
use std::cell::Cell;

thread_local! {
    static HOLDS_BACK: Cell<bool> = const { Cell::new(false) };
}

/// From here on no limit lets this thread through, or each of them.
pub fn hold_back(all: bool) {
    HOLDS_BACK.set(all);
}

/// A limit.
pub struct RateLimit;

impl RateLimit {
    /// A limit that was not touched yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {})
    }

    /// Whether one more message may go out.
    pub fn allows(&self, _: &CStr) -> bool {
        !HOLDS_BACK.get()
    }
}
