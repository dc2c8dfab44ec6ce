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

#[cfg(any(test, CONFIG_KUNIT = "y"))]
crate::conformance::suite!(rust_pgtable_vtd_second, VtdSecond);

/// Against words put together by hand from the figures of 9.8: R bit 0, W bit 1, PS bit 7, SNP bit
/// 11, ADDR bits 51:12 (51:21 and 51:30 in leaves of 2 MiB and 1 GiB).
#[kernel::macros::kunit_tests(rust_pgtable_vtd_second_entries)]
mod tests {
    use super::*;

    const PTE: Level = Level::LAST;
    const PDE: Level = Level::top(2);
    const PDPTE: Level = Level::top(3);
    const PML4E: Level = Level::top(4);
    const PML5E: Level = Level::top(5);

    fn attributes(read: bool, write: bool, snoop: bool) -> Option<u64> {
        VtdSecond::attributes(Prot { read, write, snoop })
    }

    fn is_leaf(word: u64, level: Level, pa: u64) -> bool {
        matches!(VtdSecond::decode(word, level), Entry::Leaf(at) if at.0 == pa)
    }

    fn is_table(word: u64, level: Level, pa: u64) -> bool {
        matches!(VtdSecond::decode(word, level), Entry::Table(at) if at.0 == pa)
            && VtdSecond::table_at(word).0 == pa
    }

    #[test]
    fn leaves() -> Result {
        for (read, write, snoop, level, pa, word) in [
            (true, false, false, PTE, 0x1234_5000, 0x0000_0000_1234_5001),
            (false, true, false, PTE, 0x1234_5000, 0x0000_0000_1234_5002),
            (true, true, false, PTE, 0x1234_5000, 0x0000_0000_1234_5003),
            (true, true, true, PTE, 0x1234_5000, 0x0000_0000_1234_5803),
            (
                true,
                false,
                false,
                PTE,
                0x000f_ffff_ffff_f000,
                0x000f_ffff_ffff_f001,
            ),
            (
                true,
                false,
                false,
                PDE,
                0x40_0020_0000,
                0x0000_0040_0020_0081,
            ),
            (true, true, true, PDE, 0x40_0020_0000, 0x0000_0040_0020_0883),
            (
                false,
                true,
                false,
                PDE,
                0x000f_ffff_ffe0_0000,
                0x000f_ffff_ffe0_0082,
            ),
            (true, true, false, PDPTE, 0x4000_0000, 0x0000_0000_4000_0083),
            (
                true,
                true,
                true,
                PDPTE,
                0x000f_ffff_c000_0000,
                0x000f_ffff_c000_0883,
            ),
        ] {
            let attributes = attributes(read, write, snoop).ok_or(EINVAL)?;
            assert_eq!(VtdSecond::leaf(PhysAddr(pa), level, attributes), word);
            assert!(is_leaf(word, level, pa));
        }
        Ok(())
    }

    #[test]
    fn nothing_allowed_is_no_leaf() {
        assert!(attributes(false, false, false).is_none());
        assert!(attributes(false, false, true).is_none());
    }

    #[test]
    fn tables() {
        for level in [PDE, PDPTE, PML4E, PML5E] {
            for (pa, word) in [
                (0x1234_5000, 0x0000_0000_1234_5003),
                (0x000f_ffff_ffff_f000, 0x000f_ffff_ffff_f003),
            ] {
                assert_eq!(VtdSecond::table(PhysAddr(pa)), word);
                assert!(is_table(word, level, pa));
                // Bit 10 is ignored by hardware: the note that the entry was written back.
                assert!(is_table(word | 0x400, level, pa));
            }
        }
        assert_eq!(VtdSecond::WRITTEN_BACK, 0x400);
    }

    /// Neither R nor W: not present, whatever else there is. Bit 7 makes no leaf of 4 KiB.
    #[test]
    fn what_is_present() {
        for level in [PTE, PDE, PDPTE, PML4E, PML5E] {
            for word in [0, 0x80, 0x1234_5000, 0xffff_ffff_ffff_fffc] {
                assert!(matches!(VtdSecond::decode(word, level), Entry::Empty));
            }
        }
        assert!(is_leaf(0x1234_5001, PTE, 0x1234_5000));
        assert!(is_leaf(0x1234_5081, PTE, 0x1234_5000));
        // Ignored: bits 61:52, and bit 63.
        assert!(is_leaf(0xbff0_0000_1234_5002, PTE, 0x1234_5000));
        assert!(is_table(0xbff0_0000_1234_5002, PDE, 0x1234_5000));
    }

    #[test]
    fn widths_of_walks() {
        // 3.7: AGAW of 39, 48 and 57 bits.
        assert_eq!([3, 4, 5].map(input_bits), [39, 48, 57]);
        assert_eq!(input_bits(u8::MAX), u8::MAX);
    }
}
