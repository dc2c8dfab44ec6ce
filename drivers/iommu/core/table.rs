// SPDX-License-Identifier: GPL-2.0

//! What the core knows about an I/O page table: how hardware is pointed at it
//! ([`Descriptor`]), and what can be done to it ([`PageTable`]).
//!
//! Formats are made in `pgtable`; which one a domain gets is the driver's choice. The core only
//! compares names, so that a new format needs no line here.

use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    gather::Gather,
    pages::Gfp, //
};
use kernel::prelude::*;

/// What a mapping allows a device to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prot {
    /// The device may read.
    pub read: bool,
    /// The device may write.
    pub write: bool,
    /// Accesses snoop the CPU caches, whatever the device asks for. Only for tables with
    /// [`Descriptor::snoop_control`].
    pub snoop: bool,
}

/// A set of page sizes: bit *n* set means that pages of 2^n bytes exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageSizes(pub u64);

impl PageSizes {
    /// Whether pages of `size` bytes are in the set.
    #[inline]
    pub const fn contains(&self, size: usize) -> bool {
        size.is_power_of_two() && self.0 & size as u64 != 0
    }
}

/// How hardware is pointed at a page table, and what walking it takes.
///
/// Fixed when the table is made. A unit compares this with what it can do before a route is
/// pointed at the table, and refuses with `EINVAL` what it cannot walk.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Name of the format, as in `vtd_second_stage`.
    pub format: &'static CStr,
    /// Physical address of the top table.
    pub root: PhysAddr,
    /// Tables on a full walk: 3, 4 or 5 for formats of 4 KiB tables.
    pub levels: u8,
    /// Width of the I/O virtual addresses the table translates, in bits.
    pub input_bits: u8,
    /// Width of the physical addresses an entry can hold, in bits.
    pub output_bits: u8,
    /// Sizes of the leaves that the table may contain.
    pub page_sizes: PageSizes,
    /// Whether hardware snoops the CPU caches when it walks. If not, each entry is written back
    /// to memory before it counts.
    pub coherent: bool,
    /// Whether the table can force accesses to snoop the CPU caches ([`Prot::snoop`]).
    pub snoop_control: bool,
    /// Whether a new mapping must be followed by an invalidation, as hardware may have cached
    /// that there was none (VT-d caching mode) or not yet see it (VT-d write-buffer flush).
    pub flush_on_map: bool,
}

/// A table that translates I/O virtual addresses.
///
/// Maps and unmaps of disjoint ranges may run at the same time, in any context, hard interrupts
/// included. Two calls about the *same* range must be ordered by the caller, which owns the range:
/// it allocated the IOVA.
pub trait PageTable: Send + Sync {
    /// How hardware is pointed at this table.
    fn descriptor(&self) -> &Descriptor;

    /// Maps `count` pages of `page` bytes each: `iova` onwards to `pa` onwards.
    ///
    /// Returns how many bytes were mapped and why it stopped; what was mapped stays mapped. The
    /// new translations are visible to hardware on return (on a table with `flush_on_map`: after
    /// the invalidation that must follow).
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `page` is no size of this table, an address is not aligned to it, or the range
    ///   leaves the table's input or output width, or `prot` allows
    ///   nothing or asks for what the table cannot do.
    /// - `EEXIST`: something is mapped there already.
    /// - `ENOMEM`: no page for a table could be had.
    fn map(
        &self,
        iova: Iova,
        pa: PhysAddr,
        page: usize,
        count: usize,
        prot: Prot,
        gfp: Gfp,
    ) -> (usize, Result);

    /// Unmaps up to `len` bytes from `iova` on and returns how many: it stops at the first hole,
    /// and before a leaf that lies only partly in the range.
    ///
    /// Never allocates, never fails. Tables that the range covers whole are cut out and handed to
    /// `gather`, and so is the range; the translations stay usable by hardware until the caller
    /// has sent the invalidation.
    fn unmap(&self, iova: Iova, len: usize, gather: &mut Gather) -> usize;

    /// Whether nothing was mapped since the table was made, or all tables below the top one are
    /// gone again. Nobody maps or unmaps meanwhile.
    fn is_empty(&self) -> bool;

    /// Where `iova` leads; `None` if it is not mapped. The caller owns the address, as for a map:
    /// an unmap of it at the same time would free tables under the look-up.
    fn lookup(&self, iova: Iova) -> Option<PhysAddr>;
}
