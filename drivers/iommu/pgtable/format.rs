// SPDX-License-Identifier: GPL-2.0

//! What a format must say for the walker to serve it.

use crate::level::Level;
use iommu_core::table::Prot;
use iommu_ext::addr::PhysAddr;
use kernel::prelude::*;

/// The word of an empty entry, in every format: a zeroed page is a table that maps nothing.
pub(crate) const EMPTY: u64 = 0;

/// What an entry says.
pub(crate) enum Entry {
    /// Nothing is mapped below it.
    Empty,
    /// The walk goes on in the table at this address.
    Table(PhysAddr),
    /// The addresses of its span are translated to those that start here.
    Leaf(PhysAddr),
}

/// A format of page table, made of 4 KiB tables of 512 entries. All functions are pure.
pub(crate) trait Format: Send + Sync + 'static {
    /// Name of the format, as [`Descriptor::format`](iommu_core::table::Descriptor) gives it.
    const NAME: &'static CStr;

    /// Most levels that a walk can have.
    const MAX_LEVELS: u8;

    /// Fewest levels that a walk can have.
    const MIN_LEVELS: u8;

    /// Widest physical address that an entry can hold, in bits.
    const MAX_OUTPUT_BITS: u8;

    /// Sizes of leaves that the format knows.
    const PAGE_SIZES: u64;

    /// A bit that hardware ignores in entries for tables. Where hardware does not snoop the CPU
    /// caches the walker sets it once the entry has been written back. No other entry has it set,
    /// so that it alone tells a walk to go on.
    const WRITTEN_BACK: u64;

    /// Reads the entry `word` of a table of `level`. Never gives a table at level 0.
    fn decode(word: u64, level: Level) -> Entry;

    /// Where the table is that the entry `word` leads to.
    fn table_at(word: u64) -> PhysAddr;

    /// The entry for the table at `pa`, which allows whatever the leaves below it allow.
    fn table(pa: PhysAddr) -> u64;

    /// What the leaves that carry `prot` have in common, address and level left out. `None` if
    /// `prot` allows nothing.
    fn attributes(prot: Prot) -> Option<u64>;

    /// The entry for a leaf in a table of `level`. `pa` is aligned to the span and within the
    /// width; `attributes` comes from [`attributes`](Self::attributes).
    fn leaf(pa: PhysAddr, level: Level, attributes: u64) -> u64;
}
