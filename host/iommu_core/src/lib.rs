// SPDX-License-Identifier: GPL-2.0

//! The core, whose suites run here as well.

// As the kernel is built: `self: &Arc<Self>`, with the kernel's `Arc`.
#![feature(arbitrary_self_types)]

#[path = "../../../drivers/iommu/core/ats.rs"]
pub mod ats;
#[path = "../../../drivers/iommu/core/domain.rs"]
pub mod domain;
#[path = "../../../drivers/iommu/core/driver.rs"]
pub mod driver;
#[path = "../../../drivers/iommu/core/endpoint.rs"]
pub mod endpoint;
#[path = "../../../drivers/iommu/core/fault.rs"]
pub mod fault;
#[path = "../../../drivers/iommu/core/firmware.rs"]
pub mod firmware;
#[path = "../../../drivers/iommu/core/group.rs"]
pub mod group;
#[path = "../../../drivers/iommu/core/instance.rs"]
pub mod instance;
#[path = "../../../drivers/iommu/core/quirks.rs"]
pub mod quirks;
#[cfg(test)]
#[path = "../../../drivers/iommu/core/recorder.rs"]
mod recorder;
#[path = "../../../drivers/iommu/core/registry.rs"]
pub mod registry;
#[path = "../../../drivers/iommu/core/reserved.rs"]
pub mod reserved;
#[path = "../../../drivers/iommu/core/route.rs"]
pub mod route;
#[path = "../../../drivers/iommu/core/table.rs"]
pub mod table;
