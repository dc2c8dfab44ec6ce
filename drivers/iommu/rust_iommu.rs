// SPDX-License-Identifier: GPL-2.0

//! `rust_iommu.ko`: the core, the page tables and the bridge to the kernel's C core.
//!
//! Drivers of hardware are modules of their own, which load on top of this one.

#![deny(unsafe_code)]

use kernel::prelude::*;

module! {
    type: RustIommu,
    name: "rust_iommu",
    authors: ["Rust IOMMU developers"],
    description: "IOMMU core",
    license: "GPL v2",
}

struct RustIommu;

impl kernel::Module for RustIommu {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        bridge::init()?;
        Ok(Self)
    }
}

impl Drop for RustIommu {
    fn drop(&mut self) {
        // Callbacks that free list nodes are code of this module.
        iommu_ext::sync::rcu_list::barrier();
    }
}
