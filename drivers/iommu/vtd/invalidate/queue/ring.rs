// SPDX-License-Identifier: GPL-2.0

//! The memory that a queue shares with its unit: the ring, and the status words of its waits
//! (VT-d 6.5.2.1, 6.5.2.8).
//!
//! A status word has a slot of its own, so that the words of batches that are under way at the same
//! time do not meet. What is in it only grows, apart from the wrap of its 32 bits.

use super::super::descriptor;
use iommu_ext::{
    addr::PhysAddr,
    pages::{
        Gfp,
        NumaNode,
        TablePage, //
    },
    sync::marked::{
        load_acquire,
        read_once,
        write_once, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Release, //
    }, //
};

/// 256 slots, and a status word for each, and one to spare.
pub(super) struct Ring {
    /// Two words per slot.
    slots: TablePage,
    /// One word per slot, and at the end one for the waits of who holds the lock until they are
    /// complete. The unit writes the low half.
    status: TablePage,
}

impl Ring {
    /// An empty ring, whose memory is taken from node `numa`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(numa: NumaNode) -> Result<Self> {
        Ok(Self {
            slots: TablePage::alloc(numa, Gfp::KERNEL)?,
            status: TablePage::alloc(numa, Gfp::KERNEL)?,
        })
    }

    /// Where the slots are.
    pub(super) fn address(&self) -> PhysAddr {
        self.slots.phys()
    }

    /// Has the status word of `slot` say `number`, for a wait that is not there yet: its last
    /// number may be so old that it would compare as a later one. Whoever still polls for that is
    /// content with this one.
    #[inline]
    pub(super) fn reset_status(&self, slot: u8, number: u64) {
        // Release: who still polls sees what was done when that wait was ended.
        self.status_word(slot).store(number, Release);
    }

    /// Completes all waits up to batch `number`, which is the newest.
    pub(super) fn end_all(&self, number: u64) {
        for word in self.status.entries().iter().rev().skip(1) {
            // Release: as in `end_wait`.
            word.store(number, Release);
        }
    }

    /// What the spare status word says.
    pub(super) fn spare_status(&self) -> u32 {
        // CAST: The low half. Acquire: as in `is_complete`.
        self.status.entries().last().map_or(0, load_acquire) as u32
    }

    /// Where the spare status word is.
    pub(super) fn spare_address(&self) -> PhysAddr {
        let last = self.status.entries().len().wrapping_sub(1);
        self.address_of_status(last)
    }

    /// Completes the wait in `slot`, which the unit has dropped, with its `number`.
    pub(super) fn end_wait(&self, slot: u8, number: u32) {
        // Release: who sees the batch complete sees that it has timed out.
        self.status_word(slot).store(u64::from(number), Release);
    }

    /// Number of the batch whose wait is in `slot`, if there is a wait.
    pub(super) fn wait_in(&self, slot: u8) -> Option<u32> {
        descriptor::wait_data(self.words(slot), self.status_address(slot))
    }

    /// Whether the wait in `slot` is complete for batch `number`, or for one after it.
    #[inline]
    pub(super) fn is_complete(&self, slot: u8, number: u32) -> bool {
        // Acquire: what the caller does next is not done before the invalidation.
        let done = load_acquire(self.status_word(slot)) as u32;
        // At most 255 batches are under way, so half of the numbers are always later ones.
        done.wrapping_sub(number) <= i32::MAX as u32
    }

    /// The descriptor in `slot`.
    pub(super) fn words(&self, slot: u8) -> [u64; 2] {
        let (low, high) = self.slot(slot);
        [read_once(low), read_once(high)]
    }

    /// Writes the descriptor in `slot`, which is free, or at which the unit has stopped.
    #[inline]
    pub(super) fn put(&self, slot: u8, words: [u64; 2]) {
        let (low, high) = self.slot(slot);
        write_once(low, words[0]);
        write_once(high, words[1]);
    }

    // PANIC: A page has 512 words: two for each number of 8 bits.
    fn slot(&self, slot: u8) -> (&Atomic<u64>, &Atomic<u64>) {
        let low = usize::from(slot) * 2;
        (&self.slots.entries()[low], &self.slots.entries()[low + 1])
    }

    // PANIC: As above.
    fn status_word(&self, slot: u8) -> &Atomic<u64> {
        &self.status.entries()[usize::from(slot)]
    }

    /// Where the status word of `slot` is.
    #[inline]
    pub(super) fn status_address(&self, slot: u8) -> PhysAddr {
        self.address_of_status(slot.into())
    }

    #[inline]
    fn address_of_status(&self, index: usize) -> PhysAddr {
        let offset = index.wrapping_mul(size_of::<u64>());
        PhysAddr(self.status.phys().0.wrapping_add(offset as u64))
    }
}
