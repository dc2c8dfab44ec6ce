// SPDX-License-Identifier: GPL-2.0

//! Addresses: those of the kernel, but for the size of a page.

#[path = "../../../../rust/addr.rs"]
#[expect(dead_code, reason = "pages have another size")]
mod source;

pub use source::{
    Iova,
    IovaRange,
    PhysAddr, //
};

/// Smallest unit an I/O page table maps, in bytes: a table of four entries. Larger ones would only
/// make models larger.
pub const PAGE_SIZE: usize = 32;
