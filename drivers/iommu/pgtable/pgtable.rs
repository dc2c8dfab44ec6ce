// SPDX-License-Identifier: GPL-2.0

//! I/O page tables: one walker for every format.
//!
//! A table is made by the constructor of its format (as [`fmt::vtd_second::new`]) and used through
//! [`PageTable`](iommu_core::table::PageTable), which is the contract. The walker is generic over
//! [`format::Format`] and compiled once per format, here; a file in `fmt/` states only what is
//! peculiar to its format.
//!
//! # Words
//!
//! - *iova*: an I/O virtual address, what a device sends. *pa*: a physical address.
//! - *table*: one page of 512 *entries*, eight bytes each. The topmost one is the *root*.
//! - *entry*: one word of a table, as hardware reads it. It is *empty*, or holds a *leaf* (it
//!   translates), or a *table* (it points at the table walked next, and owns its page).
//! - *item*: an entry decoded.
//! - *level*: how far a table is from the end of the walk. Level 0 is walked last. Formats number
//!   their levels in other ways and say so.
//! - *span*: the addresses below one entry of a level: 4 KiB at level 0, 2 MiB at level 1...
//! - *run*: entries that follow each other in one table. Work is done by the run: one walk, one
//!   write back.
//! - *last* is inclusive, as in `first..=last`; *end* is exclusive; `_lg2` is the base-2 logarithm.
//!
//! # Who may do what when
//!
//! Nothing is locked. Whoever calls owns the addresses of the call, and so every entry whose span
//! lies in them, leaf or table. Three rules follow from that:
//!
//! - An entry whose span the caller owns whole has no other writer: plain marked loads and stores
//!   are enough to write a leaf, to clear one, and to cut out a table.
//! - An entry whose span is shared with others can only go from empty to a table (the
//!   compare-exchange in [`entry`]), and never back while one of them is in a call: to cut the table
//!   out takes owning all of it.
//! - So a table on the way to an address that one owns is not freed during the call.
//!
//! A reader reaches the content of a table through the address in the entry it has read. It
//! relies on this *address dependency*, not on acquire loads, to see the table filled.

#![deny(unsafe_code)]

#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod conformance;
#[expect(
    unsafe_code,
    reason = "the store of entries: memory shared with hardware, and pages owned by words"
)]
mod entry;
pub mod fmt {
    //! The formats.

    pub mod vtd_second;
}
mod format;
mod level;
mod map;
pub mod table;
mod unmap;
