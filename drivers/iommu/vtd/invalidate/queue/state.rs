// SPDX-License-Identifier: GPL-2.0

//! What the lock of a queue guards: how far the ring is written, and how far it is free again.

use super::super::counts::Counts;

/// Slots are counted in 8 bits, and so wrap as the ring does.
pub(super) struct State {
    /// The next slot to be written.
    pub(super) next: u8,
    /// The first slot that is not known to be free.
    pub(super) oldest: u8,
    /// Number of the last batch.
    pub(super) batch: u64,
    /// The devices that are to blame for the last time-out, as far as known.
    pub(super) silent: Silent,
    /// Number of the last wait that was awaited with the lock held.
    pub(super) alone: u32,
    pub(super) counts: Counts,
}

/// Requester IDs of devices that have not answered.
pub(super) struct Silent {
    sids: [u16; Self::MOST],
    len: usize,
}

impl Silent {
    pub(super) const MOST: usize = 32;

    const NONE: Self = Self {
        sids: [0; Self::MOST],
        len: 0,
    };

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Notes a device, as far as there is room.
    pub(super) fn note(&mut self, sid: u16) {
        if let Some(place) = self.sids.get_mut(self.len) {
            *place = sid;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Notes `only`, or that no device is known.
    pub(super) fn set(&mut self, only: Option<u16>) {
        self.clear();
        only.into_iter().for_each(|sid| self.note(sid));
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, sid: u16) -> bool {
        let sids = self.sids.get(..self.len).unwrap_or_default();
        sids.contains(&sid)
    }
}

impl State {
    /// Batches are counted in 64 bits, of which the unit writes 32. The first number is shortly
    /// before those begin again at 0, so that every machine comes by there, and not only one that
    /// has run for an hour.
    const BEFORE_FIRST: u64 = (1 << 32) - 1000;

    /// Of an empty queue.
    pub(super) fn new() -> Self {
        Self {
            next: 0,
            oldest: 0,
            batch: Self::BEFORE_FIRST,
            silent: Silent::NONE,
            alone: 0,
            counts: Counts::default(),
        }
    }

    /// Slots that may be written. One is always left out, as a full ring would look empty.
    pub(super) fn free(&self) -> usize {
        usize::from(self.oldest.wrapping_sub(self.next).wrapping_sub(1))
    }

    /// Slots from `slot` on, up to `next`.
    pub(super) fn taken_from(&self, slot: u8) -> impl Iterator<Item = u8> {
        let len = self.next.wrapping_sub(slot);
        (0..len).map(move |i| slot.wrapping_add(i))
    }

    /// The full number of a recent batch.
    pub(super) fn full_number(&self, low: u32) -> u64 {
        let age = (self.batch as u32).wrapping_sub(low);
        self.batch.wrapping_sub(u64::from(age))
    }
}

/// Indices of the ring, which wrap after 256 slots, and numbers of batches, of which slots hold the
/// low half.
#[kernel::macros::kunit_tests(rust_vtd_queue_indices)]
mod tests {
    use super::*;

    fn state(oldest: u8, next: u8, batch: u64) -> State {
        State {
            next,
            oldest,
            batch,
            ..State::new()
        }
    }

    /// 6.5.2: head equals tail in an empty queue, so that a full one leaves a slot out.
    #[test]
    fn one_slot_stays_free() {
        for (oldest, next, free) in [
            (0, 0, 255),
            (0, 1, 254),
            (0, 255, 0),
            (1, 0, 0),
            (255, 0, 254),
            (255, 254, 0),
            (128, 128, 255),
            (200, 100, 99),
            (100, 200, 155),
        ] {
            assert_eq!(state(oldest, next, 0).free(), free);
        }
    }

    #[test]
    fn every_slot_is_free_or_taken_or_left_out() {
        for oldest in 0..=u8::MAX {
            for next in 0..=u8::MAX {
                let state = state(oldest, next, 0);
                assert_eq!(state.free() + state.taken_from(oldest).count(), 255);
            }
        }
    }

    #[test]
    fn taken_slots_across_the_end() {
        let slots = |oldest, next| state(oldest, next, 0).taken_from(oldest);
        assert!(slots(3, 6).eq([3, 4, 5]));
        assert!(slots(254, 2).eq([254, 255, 0, 1]));
        assert!(slots(255, 0).eq([255]));
        assert!(slots(7, 7).eq([]));
        assert_eq!(slots(1, 0).last(), Some(255));
        // From a slot in between.
        assert!(state(254, 2, 0).taken_from(0).eq([0, 1]));
    }

    #[test]
    fn numbers_are_told_from_their_low_halves() {
        for (batch, low, full) in [
            (5, 5, 5),
            (5, 1, 1),
            (0x1_0000_0000, 0, 0x1_0000_0000),
            // The low half has wrapped since.
            (0x1_0000_0000, 0xffff_ffff, 0xffff_ffff),
            (0x1_0000_0005, 0xffff_fffe, 0xffff_fffe),
            (0x7_0000_00fe, 0xffff_ffff, 0x6_ffff_ffff),
            (0x7_1234_5678, 0x1234_5600, 0x7_1234_5600),
        ] {
            assert_eq!(state(0, 0, batch).full_number(low), full);
        }
    }
}
