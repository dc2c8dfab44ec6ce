// SPDX-License-Identifier: GPL-2.0

//! What physical addresses are.
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h)

use crate::addr::PhysAddr;
use kernel::bindings;

/// Whether some of the addresses from `first` to `last` are memory that the kernel uses as it
/// likes: System RAM, as `/proc/iomem` calls it.
pub fn has_system_ram(first: PhysAddr, last: PhysAddr) -> bool {
    intersects(first, last, bindings::IORESOURCE_SYSTEM_RAM)
}

/// Whether some of the addresses from `first` to `last` lead to PCI devices: are in the window of a
/// host bridge.
pub fn has_pci_window(first: PhysAddr, last: PhysAddr) -> bool {
    intersects(
        first,
        last,
        bindings::IORESOURCE_MEM | bindings::IORESOURCE_WINDOW,
    )
}

/// Whether a resource with all of `flags` has some of the addresses from `first` to `last`.
fn intersects(first: PhysAddr, last: PhysAddr, flags: u32) -> bool {
    let len = last.0.saturating_sub(first.0).saturating_add(1);
    // SAFETY: Any range may be asked for.
    // CAST: Sizes have 64 bits; flags and descriptions are small.
    let found = unsafe {
        bindings::region_intersects(
            first.0,
            len as usize,
            flags as usize,
            bindings::IORES_DESC_NONE as usize,
        )
    };
    found as u32 != bindings::REGION_DISJOINT
}
