// SPDX-License-Identifier: GPL-2.0

//! `smp_mb()` of the `kernel` crate: in 7.3 it is told by a type what it orders, in 7.2 there is a
//! function for each.
//!
//! Goes with 7.2: `sync/marked.rs` then calls `smp_mb(Full)` itself.

/// `smp_mb()`: a full barrier between CPUs. A call to C on kernels that do not inline the helpers
/// of the `kernel` crate.
#[inline(always)]
pub fn smp_mb() {
    #[cfg(not(kernel_7_2))]
    kernel::sync::barrier::smp_mb(kernel::sync::barrier::Full);
    #[cfg(kernel_7_2)]
    kernel::sync::barrier::smp_mb();
}
