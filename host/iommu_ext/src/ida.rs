// SPDX-License-Identifier: GPL-2.0

//! Allocation of small numbers: the interface of `rust/ida.rs`.

use kernel::{
    prelude::*,
    sync::Mutex, //
};
use std::collections::BTreeSet;

/// Numbers in use, the lowest free one given out first.
#[pin_data]
pub struct Ida {
    #[pin]
    used: Mutex<BTreeSet<u32>>,
}

impl Ida {
    /// No number is in use.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self { used <- new_mutex!(BTreeSet::new()) })
    }

    /// Takes the lowest free number in `first..=last`.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: none is free.
    pub fn alloc(&self, first: u32, last: u32) -> Result<u32> {
        let mut used = self.used.lock();
        let free = (first..=last).find(|number| !used.contains(number));
        free.inspect(|number| {
            used.insert(*number);
        })
        .ok_or(ENOSPC)
    }

    /// Gives a number back.
    pub fn free(&self, number: u32) {
        assert!(self.used.lock().remove(&number), "a number is freed twice");
    }

    /// How many numbers are in use.
    pub fn len(&self) -> usize {
        self.used.lock().len()
    }

    /// Whether no number is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
