// SPDX-License-Identifier: GPL-2.0

//! Memory barriers.

use std::sync::atomic::{
    fence,
    Ordering, //
};

/// A full barrier between CPUs.
pub fn smp_mb() {
    fence(Ordering::SeqCst);
}
