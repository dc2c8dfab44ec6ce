// SPDX-License-Identifier: GPL-2.0

//! Stands in for `rust/` under loom: a small machine, whose pages have 32 bytes.

pub mod addr;
#[path = "../../../iommu_ext/src/fwnode.rs"]
pub mod fwnode;
#[path = "../../../iommu_ext/src/gather.rs"]
pub mod gather;
#[path = "../../../iommu_ext/src/ida.rs"]
pub mod ida;
pub mod memory;
#[path = "../../../iommu_ext/src/module.rs"]
pub mod module;
pub mod pages;
#[path = "../../../iommu_ext/src/ratelimit.rs"]
pub mod ratelimit;
pub mod sync;
#[path = "../../../../rust/vec.rs"]
pub mod vec;
