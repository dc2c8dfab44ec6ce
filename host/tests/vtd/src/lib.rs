// SPDX-License-Identifier: GPL-2.0

//! Tests of `drivers/iommu/vtd`, on a model of the hardware.
//!
//! The driver is the kernel's own source, over the core's and the page tables' own. The model
//! (`vtd_model`) is written from the specification and shares nothing with it. In between is a
//! [`machine`]: memory, the units, and time, which passes when the driver waits.

#![cfg(test)]
// As the kernel is built: `self: &Arc<Self>`, with the kernel's `Arc`.
#![feature(arbitrary_self_types)]

/// The driver: all but what loads it.
#[path = "../../../../drivers/iommu/vtd"]
mod source {
    pub(crate) mod driver;
    pub(crate) mod fault;
    pub(crate) mod invalidate;
    pub(crate) mod namespace;
    pub(crate) mod power;
    pub(crate) mod quirks;
    pub(crate) mod regs;
    pub(crate) mod tables;
    pub(crate) mod unit;
}

// By the names that the sources know each other by.
use source::{
    fault,
    invalidate,
    namespace,
    power,
    quirks,
    regs,
    tables,
    unit, //
};

mod answers;
mod ats;
mod claim;
mod device_tlb;
mod early;
mod entries;
mod entries_watched;
mod failures;
mod faults;
mod joins;
mod machine;
mod namespace_device;
mod one_device;
mod orders;
mod parallel;
mod queue;
mod random;
mod sleep;
mod space;
mod stalls;
mod twice;
mod unlike;
mod whole;
mod world;
