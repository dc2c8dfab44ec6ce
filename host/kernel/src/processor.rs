// SPDX-License-Identifier: GPL-2.0

//! The processor.

/// Waits a moment.
pub fn cpu_relax() {
    crate::machine::with(|machine| machine.relax());
}
