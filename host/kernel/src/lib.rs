// SPDX-License-Identifier: GPL-2.0

//! Stands in for the `kernel` crate on the host.
//!
//! It has what the sources under test use, by the same names and with the same signatures, and
//! nothing else: what is missing here is what those sources must not need.

#![feature(coerce_unsized, unsize)]

extern crate self as kernel;

pub mod alloc;
pub mod bindings;
pub mod build_assert;
pub mod context;
pub mod error;
pub mod io;
pub mod irq;
mod kunit;
pub mod machine;
pub mod module;
pub mod prelude;
pub mod print;
pub mod processor;
pub mod str;
pub mod sync;
pub mod task;
pub mod time;

/// Modules that are the kernel's own.
mod source {
    // Its parent, to `register!`.
    use crate::io::Region;

    include!(concat!(env!("OUT_DIR"), "/kernel.rs"));
}

pub use macros;
pub use source::{
    fmt,
    num, //
};
