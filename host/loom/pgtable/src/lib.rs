// SPDX-License-Identifier: GPL-2.0

//! The page-table walker, with a format that suits the small machine.

#[path = "../../../../drivers/iommu/pgtable/entry.rs"]
mod entry;
pub mod fmt {
    //! The formats.

    pub mod small;
}
#[path = "../../../../drivers/iommu/pgtable/format.rs"]
mod format;
#[path = "../../../../drivers/iommu/pgtable/level.rs"]
mod level;
#[path = "../../../../drivers/iommu/pgtable/map.rs"]
mod map;
#[path = "../../../../drivers/iommu/pgtable/table.rs"]
pub mod table;
#[path = "../../../../drivers/iommu/pgtable/unmap.rs"]
mod unmap;
