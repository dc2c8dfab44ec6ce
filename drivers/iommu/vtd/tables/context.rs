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
    /// The number.
    pub(crate) const fn value(self) -> u16 {
        self.0
    }
}

impl TryFrom<Tag> for DomainId {
    type Error = Error;

    /// `EINVAL` if the tag has more than the 16 bits that an entry holds.
    fn try_from(tag: Tag) -> Result<Self> {
        u16::try_from(tag.0).map(Self).map_err(|_| EINVAL)
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
