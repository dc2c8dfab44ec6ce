// SPDX-License-Identifier: GPL-2.0

//! What the `kernel` crate lacks and an IOMMU subsystem needs: safe faces of C objects.
//!
//! Staging for `rust/kernel`: each file could be sent upstream alone, and depends on nothing of
//! ours. `unsafe` lives here, so that it need not live in the core and the drivers.


pub mod acpi_table;
pub mod addr;
pub mod fwnode;
pub mod gather;
pub mod ida;
pub mod io_window;
pub mod module;
pub mod pages;
pub mod pci;
pub mod ratelimit;
pub mod sync;
#[cfg(CONFIG_X86)]
pub mod x86;
