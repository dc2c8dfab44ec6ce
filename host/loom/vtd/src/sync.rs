// SPDX-License-Identifier: GPL-2.0

//! Locks and marked accesses.

pub mod irq_lock;
#[path = "../../iommu_ext/src/sync/marked.rs"]
pub mod marked;
