// SPDX-License-Identifier: GPL-2.0

//! Stands in for the `kernel` crate under loom: as that of the other host tests, but for all by
//! which threads share memory.
//!
//! loom runs a test again and again, with each order of accesses and each value that the C11 memory
//! model lets a load see. What the kernel's memory model has and C11 has not, address dependencies,
//! is told where it is used.

#![feature(coerce_unsized, unsize)]

pub mod alloc;
pub mod bindings;
pub mod prelude;
pub mod sync;
pub mod types;

pub use host::{
    bitfield,
    error,
    fmt,
    io,
    machine,
    macros,
    num,
    print,
    processor,
    str,
    time, //
};
