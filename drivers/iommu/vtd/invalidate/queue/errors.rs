// SPDX-License-Identifier: GPL-2.0

//! Errors of the invalidation queue (VT-d 6.5.2.10), and how the unit goes on after them.
//!
//! A descriptor that the unit refuses (FSTS_REG.IQE) is replaced by the widest of its kind. When a
//! device does not answer (FSTS_REG.ITE), what may have been lost is marked as *timed out*, and its
//! submitters [send it again](super::retry).

use super::{
    super::descriptor::{
        self,
        device_of,
        Descriptor, //
    },
    state::State,
    Progress,
    Queue, //
};
use crate::regs::{
    fault::FSTS_REG,
    invalidation::{
        IQERCD_REG,
        IQH_REG,
        IQT_REG, //
    }, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::atomic::Relaxed, //
};

impl Queue {
    /// Lets the unit go on after an error. Returns whether it was stopped. Any context.
    pub(crate) fn recover(&self) -> bool {
        if !self.regs.read(FSTS_REG).is_of_queue() {
            return false;
        }
        let mut state = self.state.lock();
        // Another CPU may have been here since.
        let status = self.regs.read(FSTS_REG);
        if status.iqe() {
            self.replace_refused(&mut state);
        }
        if status.ite() {
            // Before ITE is cleared, as the unit goes on then.
            self.time_out(&mut state);
            self.regs.write_reg(FSTS_REG::zeroed().with_ite(true));
        }
        if status.ice() {
            // The unit goes on by itself; if the right answer does not come, ITE follows.
            let sid = self.regs.read(IQERCD_REG).icesid();
            self.log_error(fmt!(
                "a device answered what was not asked (FSTS_REG.ICE, requester {sid:#06x})"
            ));
            self.regs.write_reg(FSTS_REG::zeroed().with_ice(true));
        }
        // Not ICE, which a device may cause as often as it likes.
        status.iqe() || status.ite()
    }

    /// Replaces the descriptor at which the unit has stopped, and lets the unit go on.
    fn replace_refused(&self, state: &mut State) {
        let slot = self.head();
        let words = self.ring.words(slot);
        let reason = self.regs.read(IQERCD_REG).iqei().get();
        self.log_error(fmt!(
            "descriptor {:#x} {:#x} refused (FSTS_REG.IQE, reason {reason})",
            words[0],
            words[1]
        ));
        let widest = match device_of(words) {
            Some(sid) => {
                // Something that does no harm. The batch is as one whose device has not answered.
                self.note_time_out(self.batch_of(state, slot));
                state.silent.set(Some(sid));
                Some(Descriptor::IotlbGlobal)
            }
            None => descriptor::widest_like(words, self.drain),
        };
        let Some(widest) = widest else {
            self.give_up("no other descriptor in its place");
            return self.skip_rest(slot);
        };
        self.ring.put(slot, widest.encode(self.drain));
        state.counts.count(widest);
        self.regs.write_reg(FSTS_REG::zeroed().with_iqe(true));
        // Some implementations look at the ring again only now.
        self.ring_tail(state);
    }

    /// Has the unit, which has stopped at `slot`, find nothing more to do. An error that stays would
    /// keep it from sending fault events (11.4.7), and the queue from being turned off.
    fn skip_rest(&self, slot: u8) {
        self.regs.write_reg(IQT_REG::zeroed().with_qt(slot));
        self.regs.write_reg(FSTS_REG::zeroed().with_iqe(true));
    }

    /// A device has not answered: notes which batches have timed out, and ends the waits that the
    /// unit has dropped.
    fn time_out(&self, state: &mut State) {
        self.reclaim(state);
        let head = self.head();
        let taken = || {
            let slots = state.taken_from(state.oldest);
            slots.take_while(|slot| *slot != head)
        };
        // ITESID is 0 on units that do not say; no device with a TLB has that ID.
        let named = Some(self.regs.read(IQERCD_REG).itesid()).filter(|sid| *sid != 0);
        let mut asked = taken().filter_map(|slot| device_of(self.ring.words(slot)));
        let only = asked.next().filter(|first| asked.all(|sid| sid == *first));
        let silent = named.or(only);
        self.log_error(fmt!(
            "a device does not answer (FSTS_REG.ITE, requester {:#06x})",
            silent.unwrap_or(0)
        ));
        // The wait of the last batch may not be taken yet, where what it has asked is.
        let last = taken().last();
        let newest = last.and_then(|slot| self.batch_of(state, slot));
        self.note_time_out(newest);
        for slot in taken() {
            let Some(number) = self.ring.wait_in(slot) else {
                continue;
            };
            if !self.ring.is_complete(slot, number) {
                self.ring.end_wait(slot, number);
            }
        }
        state.silent.set(silent);
    }

    /// Notes that all batches up to `newest` have timed out.
    pub(super) fn note_time_out(&self, newest: Option<u64>) {
        let newest = newest.unwrap_or(0).max(self.timed_out.load(Relaxed));
        self.timed_out.store(newest, Relaxed);
    }

    /// Number of the batch that `slot` belongs to, if it is under way.
    fn batch_of(&self, state: &State, slot: u8) -> Option<u64> {
        let number = state
            .taken_from(slot)
            .find_map(|slot| self.ring.wait_in(slot))?;
        Some(state.full_number(number))
    }

    /// How far the unit has come.
    pub(super) fn progress(&self) -> Progress {
        let mut state = self.state.lock();
        self.reclaim(&mut state);
        Self::progress_of(&state)
    }

    pub(super) fn progress_of(state: &State) -> Progress {
        Progress {
            oldest: state.oldest,
            recoveries: state.counts.recoveries,
        }
    }

    /// Whether the device is known to be to blame for the last time-out.
    pub(crate) fn is_silent(&self, sid: u16) -> bool {
        self.state.lock().silent.contains(sid)
    }

    /// Whether all requests fail from now on. Any context.
    #[inline]
    pub(crate) fn is_given_up(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// Fails all requests from now on.
    pub(crate) fn give_up(&self, why: &str) {
        if !self.broken.xchg(true, Relaxed) {
            pr_err!(
                "unit at {:#x}: invalidation queue given up: {why} (IQH_REG {:#x}, IQT_REG {:#x}, \
                 FSTS_REG {:#x})\n",
                self.regs.start().0,
                self.regs.read(IQH_REG).into_raw(),
                self.regs.read(IQT_REG).into_raw(),
                self.regs.read(FSTS_REG).into_raw()
            );
        }
    }

    pub(super) fn log_error(&self, error: fmt::Arguments<'_>) {
        if self.error_limit.allows(c"rust_vtd: invalidation queue") {
            pr_err!(
                "unit at {:#x}: invalidation queue: {error}\n",
                self.regs.start().0
            );
        }
    }

    /// The slot that the unit takes next, or has stopped at.
    fn head(&self) -> u8 {
        self.regs.read(IQH_REG).qh()
    }
}
