// SPDX-License-Identifier: GPL-2.0

//! What physical addresses are.
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h)

use crate::addr::PhysAddr;
use kernel::bindings;

/// Whether some of the addresses from `first` to `last` are memory that the kernel uses as it
/// likes: System RAM, as `/proc/iomem` calls it.
pub fn has_system_ram(first: PhysAddr, last: PhysAddr) -> bool {
    let len = last.0.saturating_sub(first.0).saturating_add(1);
    // SAFETY: Any range may be asked for.
    // CAST: Sizes have 64 bits; flags and descriptions are small.
    let found = unsafe {
        bindings::region_intersects(
            first.0,
            len as usize,
            bindings::IORESOURCE_SYSTEM_RAM as usize,
            bindings::IORES_DESC_NONE as usize,
        )
    };
    found as u32 != bindings::REGION_DISJOINT
}
