// SPDX-License-Identifier: GPL-2.0

//! Tests of the DMAR parser, `drivers/iommu/vtd/dmar.rs`.
//!
//! The parser is the driver's own source. What the tests feed it is put together, or taken from a
//! machine, without any of its code.

#![cfg(test)]

// What the source names `kernel`: the stand-in, and the host's own formatting.
extern crate self as kernel;
pub use host_kernel::{
    alloc,
    prelude, //
};
pub use std::fmt;

#[path = "../../../../drivers/iommu/vtd/dmar.rs"]
mod dmar;

mod accepted;
mod damaged;
mod refused;
mod table;
