// SPDX-License-Identifier: GPL-2.0

//! Context entries: what a unit does with the DMA of one requester (VT-d 9.3).
//!
//! An entry has 128 bits, and the unit reads it as one. It is replaced in one store, so that the
//! unit sees the old or the new entry and never a mixture, and DMA goes on meanwhile. What it has
//! cached of the old one is for the caller to invalidate: the context cache for this requester,
//! then the IOTLB for the old domain ID (6.5.2.1, 6.2.2.1).

use super::frame;
use iommu_core::{
    instance::Tag,
    table::Descriptor, //
};
use iommu_ext::{
    pages::{
        flush_cache,
        Entries, //
    },
    x86::pair, //
};
use kernel::{
    bitfield,
    prelude::*,
    sync::atomic::{
        Full,
        Relaxed, //
    }, //
};

/// What a unit calls a domain in its caches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DomainId(u16);

impl DomainId {
    /// That of untranslated DMA. 0 is the unit's own in caching mode (VT-d 6.1), and so never used.
    pub(crate) const PASSING: Self = Self(1);

    /// The number.
    pub(crate) const fn value(self) -> u16 {
        self.0
    }

    /// The ID that the core has given as `tag`; `None` if that has more than the 16 bits that an
    /// entry holds.
    #[inline]
    pub(crate) fn of(tag: Tag) -> Option<Self> {
        u16::try_from(tag.0).ok().map(Self)
    }
}

/// What a present entry does with requests (9.3, TT).
enum TranslationType {
    /// Translate them by the second stage; refuse what a device says it has translated.
    SecondStage = 0,
    /// Translate them by the second stage; let the device ask for translations, and believe it.
    SecondStageAndDeviceTlb = 1,
    /// Pass them through; refuse what a device says it has translated.
    PassThrough = 2,
}

bitfield! {
    struct Low(u64) {
        /// Page frame of the second-stage table.
        63:12 slptptr;
        /// Translation type.
        3:2 tt;
        /// The entry is present.
        0:0 p => bool;
    }
}

bitfield! {
    struct High(u64) {
        /// Domain ID.
        23:8 did => u16;
        /// Depth of the second-stage table, in levels less two; for pass-through, the deepest
        /// that the unit has.
        2:0 aw;
    }
}

impl High {
    fn new(levels: u8, did: DomainId) -> Result<Self> {
        let high = Self::zeroed().with_did(did.value());
        match levels {
            3 => Ok(high.with_const_aw::<1>()),
            4 => Ok(high.with_const_aw::<2>()),
            5 => Ok(high.with_const_aw::<3>()),
            _ => Err(EINVAL),
        }
    }
}

/// A context entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ContextEntry([u64; 2]);

impl ContextEntry {
    /// DMA is refused, and each refusal is reported.
    pub(crate) const ABSENT: Self = Self([0, 0]);

    /// DMA is translated by a second-stage table and cached under `did`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there are no tables of this depth.
    pub(crate) fn second_stage(table: &Descriptor, did: DomainId) -> Result<Self> {
        let low = Low::zeroed().with_const_tt::<{ TranslationType::SecondStage as u64 }>();
        Self::with_table(low, table, did)
    }

    /// As [`second_stage`](Self::second_stage), and the device may keep translations in a TLB of
    /// its own: only for units with ECAP_REG.DT.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there are no tables of this depth.
    pub(crate) fn second_stage_and_device_tlb(table: &Descriptor, did: DomainId) -> Result<Self> {
        let low =
            Low::zeroed().with_const_tt::<{ TranslationType::SecondStageAndDeviceTlb as u64 }>();
        Self::with_table(low, table, did)
    }

    fn with_table(low: Low, table: &Descriptor, did: DomainId) -> Result<Self> {
        let low = low.with_slptptr(frame(table.root.0)).with_p(true);
        let high = High::new(table.levels, did)?;
        Ok(Self([low.into_raw(), high.into_raw()]))
    }

    /// DMA passes untranslated and is cached under `did`. `levels`: the deepest tables that the
    /// unit has.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there are no tables of this depth.
    pub(crate) fn pass_through(levels: u8, did: DomainId) -> Result<Self> {
        let low = Low::zeroed()
            .with_const_tt::<{ TranslationType::PassThrough as u64 }>()
            .with_p(true);
        Ok(Self([low.into_raw(), High::new(levels, did)?.into_raw()]))
    }

    /// The entry, refusing what a device says it has translated, and requests for translations;
    /// `None` if it does already.
    fn without_device_tlb(self) -> Option<Self> {
        let low = Low::from_raw(self.0[0]);
        let believes = low.tt() == TranslationType::SecondStageAndDeviceTlb as u64;
        let refusing = low.with_const_tt::<{ TranslationType::SecondStage as u64 }>();
        (low.p() && believes).then_some(Self([refusing.into_raw(), self.0[1]]))
    }

    /// Whether the unit uses the entry at all.
    pub(crate) fn is_present(self) -> bool {
        Low::from_raw(self.0[0]).p()
    }

    /// What the unit may have cached of the entry goes by this domain ID.
    pub(crate) fn domain_id(self) -> DomainId {
        DomainId(High::from_raw(self.0[1]).did())
    }
}

/// The context entries of one bus.
pub(crate) struct ContextTable<'a> {
    entries: &'a Entries,
    coherent: bool,
}

impl<'a> ContextTable<'a> {
    /// `coherent`: whether the unit snoops the CPU caches when it reads entries.
    pub(super) fn new(entries: &'a Entries, coherent: bool) -> Self {
        Self { entries, coherent }
    }

    /// Replaces the entry of a function (`devfn`: device in bits 7:3, function in bits 2:0) and
    /// returns the one before it. Any context.
    pub(crate) fn replace(&self, devfn: u8, entry: ContextEntry) -> ContextEntry {
        // The table that the entry points to was filled before this point, and the store is a
        // full barrier: the unit does not see the pointer before what it leads to.
        let old = pair::swap(self.entries, devfn, entry.0);
        if !self.coherent {
            let low = usize::from(devfn) * 2;
            self.entries.get(low..low + 2).map(flush_cache);
        }
        ContextEntry(old)
    }

    /// Has the entry of a function refuse what the function says it has translated, and its
    /// requests for translations. Returns the entry. Any context.
    pub(crate) fn refuse_device_tlb(&self, devfn: u8) -> Option<ContextEntry> {
        let low = usize::from(devfn) * 2;
        let pair = self.entries.get(low..low + 2)?;
        let [low, high] = pair else { return None };
        loop {
            let entry = ContextEntry([low.load(Relaxed), high.load(Relaxed)]);
            let Some(ContextEntry([refusing, _])) = entry.without_device_tlb() else {
                return Some(entry);
            };
            // Only the low half changes, so that the unit sees no mixture. If the entry was
            // replaced meanwhile by one that begins the same, this is right for that one, too.
            if low.cmpxchg(entry.0[0], refusing, Full).is_ok() {
                if !self.coherent {
                    flush_cache(pair);
                }
                return Some(ContextEntry([refusing, high.load(Relaxed)]));
            }
        }
    }
}

/// Against words put together by hand from 9.3, figure 9-3: P bit 0, TT bits 3:2, SLPTPTR bits
/// 63:12, AW bits 66:64, DID bits 87:72.
#[kernel::macros::kunit_tests(rust_vtd_context_entries)]
mod tests {
    use super::*;
    use iommu_core::table::PageSizes;
    use iommu_ext::{
        addr::PhysAddr,
        pages::{
            Gfp,
            NumaNode,
            TablePage, //
        }, //
    };
    use kernel::sync::atomic::Relaxed;

    fn did(number: u32) -> Result<DomainId> {
        DomainId::of(Tag(number)).ok_or(EINVAL)
    }

    /// A table of `levels` levels at `root`.
    fn table(root: u64, levels: u8) -> Descriptor {
        Descriptor {
            format: c"vtd_second_stage",
            root: PhysAddr(root),
            levels,
            input_bits: 39,
            output_bits: 46,
            page_sizes: PageSizes(1 << 12),
            coherent: true,
            snoop_control: false,
            flush_on_map: false,
        }
    }

    #[test]
    fn absent() {
        assert_eq!(ContextEntry::ABSENT.0, [0, 0]);
        assert!(!ContextEntry::ABSENT.is_present());
    }

    /// TT 00b: untranslated requests are translated by the second stage.
    #[test]
    fn second_stage() -> Result {
        // AW 001b, 010b, 011b: 3, 4 and 5 levels.
        for (levels, high) in [(3, 0x00ab_cd01), (4, 0x00ab_cd02), (5, 0x00ab_cd03)] {
            let table = table(0x1234_5000, levels);
            let entry = ContextEntry::second_stage(&table, did(0xabcd)?)?;
            assert_eq!(entry.0, [0x0000_0000_1234_5001, high]);
        }
        let top = table(0x000f_ffff_ffff_f000, 4);
        let entry = ContextEntry::second_stage(&top, did(1)?)?;
        assert_eq!(entry.0, [0x000f_ffff_ffff_f001, 0x102]);
        Ok(())
    }

    /// TT 01b: requests for translations, and translated ones, pass as well.
    #[test]
    fn second_stage_and_device_tlb() -> Result {
        let table = table(0x1234_5000, 4);
        let entry = ContextEntry::second_stage_and_device_tlb(&table, did(0xffff)?)?;
        assert_eq!(entry.0, [0x0000_0000_1234_5005, 0x00ff_ff02]);
        Ok(())
    }

    /// TT 10b: the pointer is ignored, and AW says the greatest width of the unit.
    #[test]
    fn pass_through() -> Result {
        let entry = ContextEntry::pass_through(5, did(2)?)?;
        assert_eq!(entry.0, [0x9, 0x203]);
        let entry = ContextEntry::pass_through(3, did(0)?)?;
        assert_eq!(entry.0, [0x9, 0x1]);
        Ok(())
    }

    #[test]
    fn depths_that_no_unit_has() -> Result {
        for levels in [0, 1, 2, 6, 7, u8::MAX] {
            let table = table(0x1000, levels);
            let did = did(1)?;
            assert_eq!(ContextEntry::second_stage(&table, did), Err(EINVAL));
            let entry = ContextEntry::second_stage_and_device_tlb(&table, did);
            assert_eq!(entry, Err(EINVAL));
            assert_eq!(ContextEntry::pass_through(levels, did), Err(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn domain_ids_have_16_bits() -> Result {
        assert_eq!(did(0xffff)?.value(), 0xffff);
        assert_eq!(did(0x1_0000), Err(EINVAL));
        assert_eq!(did(u32::MAX), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn what_is_read_back() {
        let entry = ContextEntry([0x0000_0000_1234_5005, 0x00ab_cd02]);
        assert!(entry.is_present());
        assert_eq!(entry.domain_id().value(), 0xabcd);
        // What hardware ignores, AVAIL in bits 70:67, is no part of the domain ID.
        let entry = ContextEntry([0xffff_ffff_ffff_fffe, 0xffff_ffff_ff00_00ff]);
        assert!(!entry.is_present());
        assert_eq!(entry.domain_id().value(), 0);
    }

    /// 16 bytes for each function, the low half first.
    #[test]
    fn places_in_a_table() -> Result {
        let page = TablePage::alloc(NumaNode::ANY, Gfp::KERNEL)?;
        let at = |word: usize| page.entries().get(word).map(|entry| entry.load(Relaxed));
        for coherent in [true, false] {
            let contexts = ContextTable::new(page.entries(), coherent);
            let entry = ContextEntry([0x1001, 0x0301]);
            for (devfn, low) in [(0x00, 0), (0x08, 16), (0x0b, 22), (0xff, 510)] {
                assert_eq!(contexts.replace(devfn, entry), ContextEntry::ABSENT);
                assert_eq!((at(low), at(low + 1)), (Some(0x1001), Some(0x0301)));
                let words = page.entries().iter();
                assert_eq!(words.filter(|word| word.load(Relaxed) != 0).count(), 2);
                assert_eq!(contexts.replace(devfn, ContextEntry::ABSENT), entry);
                assert_eq!((at(low), at(low + 1)), (Some(0), Some(0)));
            }
        }
        Ok(())
    }
}
