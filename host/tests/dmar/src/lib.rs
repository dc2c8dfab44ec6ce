// SPDX-License-Identifier: GPL-2.0

//! Tests of the DMAR parser, `drivers/iommu/vtd/dmar.rs`, and of what the core makes of what it
//! reads (`scopes.rs`, `core/firmware.rs`).
//!
//! The parser is the driver's own source. What the tests feed it is put together, or taken from a
//! machine, without any of its code.

#![cfg(test)]

/// The driver's folder, so that the parts of its source are found.
#[path = "../../../../drivers/iommu/vtd"]
mod vtd {
    pub(crate) mod dmar;
    pub(crate) mod scopes;
}
use vtd::{
    dmar,
    scopes, //
};

mod accepted;
mod damaged;
mod decoder;
mod faulty;
mod real;
mod refused;
mod table;
