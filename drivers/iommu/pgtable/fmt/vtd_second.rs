// SPDX-License-Identifier: GPL-2.0

//! VT-d second stage.
//!
//! Intel Virtualization Technology for Directed I/O, Architecture Specification: 3.7
//! (Second-Stage Translation) and 9.8 (Second-Stage Paging Entries). Legacy mode has only this
//! stage; in scalable mode it stands alone or below a first stage.
//!
//! | level | table | entry | leaf | input bits when on top |
//! |---|---|---|---|---|
//! | 0 | page table | SS-PTE | 4 KiB | |
//! | 1 | page directory | SS-PDE | 2 MiB | |
//! | 2 | page-directory-pointer table | SS-PDPTE | 1 GiB | 39 |
//! | 3 | PML4 | SS-PML4E | | 48 |
//! | 4 | PML5 | SS-PML5E | | 57 |
//!
//! An entry is present if it allows reading or writing; there is no bit of its own for that.
//! What an access may do is the *and* of R and W over the walk, so that entries for tables set
//! both.

use crate::{
    format::{
        Entry,
        Format, //
    },
    level::Level,
    table::{
        Config,
        Table, //
    }, //
};
use iommu_core::table::{
    PageTable,
    Prot, //
};
use iommu_ext::addr::PhysAddr;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// R: the device may read.
const READ: u64 = 1 << 0;
/// W: the device may write.
const WRITE: u64 = 1 << 1;
/// PS: the entry is a leaf, though its table is not of level 0.
const PAGE_SIZE: u64 = 1 << 7;
/// SNP: accesses snoop the CPU caches, whatever the request says. Reserved where the unit has
/// no Snoop Control (ECAP.SC).
const SNOOP: u64 = 1 << 11;
/// ADDR: bits 51:12. Those at and above the host address width are reserved, and stay 0 because
/// no address is that wide.
const ADDRESS: u64 = ((1 << 52) - 1) & !0xfff;
/// Ignored by hardware in every entry (so are 61:52 and 63).
const SOFTWARE: u64 = 1 << 10;

/// The format: VT-d second stage.
pub(crate) struct VtdSecond;

/// What descriptors of these tables call the format.
pub const NAME: &CStr = c"vtd_second_stage";

/// Width of the addresses that tables of `levels` levels translate, in bits.
pub const fn input_bits(levels: u8) -> u8 {
    // CAST: 57 at most for the levels that there are; saturated above.
    let bits = Level::input_bits(levels);
    if bits > u8::MAX as u32 {
        u8::MAX
    } else {
        bits as u8
    }
}

/// Makes an empty table. Its `snoop_control` may be set only if every unit that will walk it has
/// Snoop Control.
///
/// # Errors
///
/// - `EINVAL`: the format has no such table.
/// - `ENOMEM`.
pub fn new(config: &Config) -> Result<Arc<dyn PageTable>> {
    Ok(Arc::new(Table::<VtdSecond>::new(config)?, GFP_KERNEL)?)
}

impl Format for VtdSecond {
    const NAME: &'static CStr = NAME;
    const MIN_LEVELS: u8 = 3;
    const MAX_LEVELS: u8 = 5;
    const MAX_OUTPUT_BITS: u8 = 52;
    const PAGE_SIZES: u64 = (1 << 12) | (1 << 21) | (1 << 30);
    const WRITTEN_BACK: u64 = SOFTWARE;

    #[inline]
    fn decode(word: u64, level: Level) -> Entry {
        let pa = PhysAddr(word & ADDRESS);
        if word & (READ | WRITE) == 0 {
            Entry::Empty
        } else if level.is_last() || word & PAGE_SIZE != 0 {
            Entry::Leaf(pa)
        } else {
            Entry::Table(pa)
        }
    }

    #[inline]
    fn table_at(word: u64) -> PhysAddr {
        PhysAddr(word & ADDRESS)
    }

    #[inline]
    fn table(pa: PhysAddr) -> u64 {
        (pa.0 & ADDRESS) | READ | WRITE
    }

    #[inline]
    fn attributes(prot: Prot) -> Option<u64> {
        let mut attributes = 0;
        if prot.read {
            attributes |= READ;
        }
        if prot.write {
            attributes |= WRITE;
        }
        if attributes == 0 {
            return None;
        }
        if prot.snoop {
            attributes |= SNOOP;
        }
        Some(attributes)
    }

    #[inline]
    fn leaf(pa: PhysAddr, level: Level, attributes: u64) -> u64 {
        let size = if level.is_last() { 0 } else { PAGE_SIZE };
        (pa.0 & ADDRESS) | attributes | size
    }
}
