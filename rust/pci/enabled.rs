// SPDX-License-Identifier: GPL-2.0

//! Keeping a function enabled while nobody drives it.
//!
//! The kernel counts who has enabled a function. The driver of a port is mostly the only one, and
//! when it is released the port is disabled: its bus mastering goes off, and with that the DMA of
//! all that is behind it.

use super::Function;
use kernel::{
    bindings,
    sync::aref::ARef, //
};

/// A function that is enabled, as it was before, for as long as this lives.
///
/// # Invariants
///
/// The function was enabled once more for this.
pub struct Enabled(ARef<Function>);

impl Enabled {
    /// Keeps a function enabled. `None` if it is not, or cannot be enabled once more. May sleep.
    pub fn keep(function: &Function) -> Option<Self> {
        // SAFETY: By the type invariant of `Function`; the counter is one word, which others may
        // change meanwhile.
        let count = unsafe { (&raw const (*function.as_raw()).enable_cnt.counter).read_volatile() };
        // SAFETY: By the type invariant of `Function`.
        let is_kept = count > 0 && unsafe { bindings::pci_enable_device(function.as_raw()) } == 0;
        // INVARIANT: It was just enabled once more.
        is_kept.then(|| Self(function.into()))
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the function is referenced.
        unsafe { bindings::pci_disable_device(self.0.as_raw()) };
    }
}
