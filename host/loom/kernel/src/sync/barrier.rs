// SPDX-License-Identifier: GPL-2.0

//! Memory barriers.

use loom::sync::atomic::{
    fence,
    Ordering, //
};

/// A full barrier between CPUs.
pub fn smp_mb() {
    fence(Ordering::SeqCst);
}

/// What a pointer leads to is read after the pointer, as its address depends on it. C11 knows no
/// such thing that could be used: this orders all that follows after all that was read.
pub fn address_dependency() {
    fence(Ordering::Acquire);
}
