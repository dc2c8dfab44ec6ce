// SPDX-License-Identifier: GPL-2.0

//! What the `kernel` crate lacks and an IOMMU subsystem needs: safe faces of C objects.
//!
//! Staging for `rust/kernel`: each file could be sent upstream alone, and depends on nothing of
//! ours. `unsafe` lives here, so that it need not live in the core and the drivers.

pub mod abi;
pub mod acpi_table;
pub mod addr;
mod c_str;
pub mod compat;
pub mod consumer;
pub mod fwnode;
pub mod gather;
pub mod ida;
pub mod io_window;
pub mod memory_map;
pub mod module;
pub mod pages;
pub mod pci;
pub mod power;
pub mod ratelimit;
pub mod sync;
pub mod vec;
#[cfg(CONFIG_X86)]
pub mod x86;

/// What the lines of this crate in the kernel log begin with.
const __LOG_PREFIX: &[u8] = b"rust_iommu\0";
