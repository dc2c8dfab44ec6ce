// SPDX-License-Identifier: GPL-2.0

//! A queue in which nothing gets on: it is turned off and on again, empty, before the unit is given
//! up.
//!
//! One CPU does so, with the lock held, while the others wait for the lock. It turns the queue off,
//! whatever is in it, and on again, and has the unit drop all that it has cached. That takes the
//! place of everything that was sent before, except for requests to devices: those batches are
//! complete, or, with such requests, have timed out, see [`retry`](super::retry).
//!
//! Mostly it is a device that keeps a queue from getting on, as waits are complete only when it has
//! answered. So each device that was asked is then asked alone, and has a tenth of a second. If it
//! does not answer, the queue is turned off and on once more, and the device is noted as silent: its
//! submitters are told, and cut it off.
//!
//! If the queue cannot be turned off (QEMU refuses that while it is not empty), or does not work when
//! it is on again, the unit is given up.
//!
//! The specification has queues turned off when they are empty, and leaves open what else happens
//! (6.5.2). The kernel's own driver turns them off all the same, if they do not become empty. This
//! relies on a unit that tells an answer to a request of before from one to a request of after, as
//! it should: an answer that nothing waits for is an error by which the unit is not stopped
//! (FSTS_REG.ICE).

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
use crate::regs::fault::FSTS_REG;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed,
    time::{
        delay::udelay,
        Delta, //
    }, //
};

/// Devices that were asked something, and perhaps have not answered: the request that each would
/// have to answer if it is asked for everything.
struct Suspects {
    requests: [[u64; 2]; Self::MOST],
    len: usize,
}

impl Suspects {
    /// Requests to further devices have timed out only: when they are sent again, the queue may stall
    /// once more.
    const MOST: usize = super::state::Silent::MOST;

    /// Those to whom requests are under way.
    fn of(queue: &Queue, state: &State) -> Self {
        let mut suspects = Self {
            requests: [[0; 2]; Self::MOST],
            len: 0,
        };
        for slot in state.taken_from(state.oldest) {
            if let Some(all) = descriptor::all_of_device(queue.ring.words(slot)) {
                suspects.add(all);
            }
        }
        suspects
    }

    fn add(&mut self, request: [u64; 2]) {
        if self.requests().any(|other| other == request) {
            return;
        }
        if let Some(place) = self.requests.get_mut(self.len) {
            *place = request;
            self.len = self.len.wrapping_add(1);
        }
    }

    fn requests(&self) -> impl Iterator<Item = [u64; 2]> + '_ {
        let requests = self.requests.get(..self.len).unwrap_or_default();
        requests.iter().copied()
    }
}

impl Queue {
    /// Turns the queue of a unit that was given up off for good. Waits for a CPU that is restarting
    /// it. Any context.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: it does not go off.
    pub(crate) fn turn_off_for_good(&self) -> Result {
        let _state = self.state.lock();
        if self.command.is_queue_enabled() {
            self.command.drop_queue()?;
        }
        Ok(())
    }

    /// Gets the queue going again, in which nothing got on since `seen`, unless another CPU has done
    /// so since. Any context.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: that is not possible. The unit is given up.
    #[cold]
    pub(super) fn restart_stalled(&self, seen: Progress) -> Result {
        let mut state = self.state.lock();
        self.reclaim(&mut state);
        if Self::progress_of(&state) != seen || self.broken.load(Relaxed) {
            return Ok(());
        }
        self.log_error(fmt!("nothing gets on: turning it off and on"));
        let newest = state.batch;
        // Before the queue goes off: a wait that the unit ends on the way says nothing. Whoever sees
        // it finds the batch timed out, and sends it again, for which the lock is needed. Pairs with
        // `has_timed_out`; the register writes below come after this store.
        self.note_time_out(Some(newest));
        let suspects = Suspects::of(self, &state);
        state.counts.recoveries = state.counts.recoveries.wrapping_add(1);
        let restarted = self
            .restart_empty(&mut state)
            .and_then(|()| self.ask_each(&mut state, &suspects));
        if restarted.is_err() {
            self.give_up("no answer");
            return Err(ETIMEDOUT);
        }
        self.covered.store(newest, Relaxed);
        // Last: who sees its batch complete sees the above.
        self.ring.end_all(newest);
        Ok(())
    }

    /// Turns the queue off and on again, empty, and has the unit drop all that it has cached.
    fn restart_empty(&self, state: &mut State) -> Result {
        // A device may be found not to answer meanwhile, which takes along what was sent.
        const ATTEMPTS: usize = 3;
        let requests =
            [Descriptor::ContextGlobal, Descriptor::IotlbGlobal].map(|all| all.encode(self.drain));
        for _ in 0..ATTEMPTS {
            self.command.drop_queue()?;
            self.command.enable_queue(self.ring.address())?;
            state.next = 0;
            state.oldest = 0;
            state.counts.count(Descriptor::ContextGlobal);
            state.counts.count(Descriptor::IotlbGlobal);
            if self.run_alone(state, requests.into_iter(), PATIENCE) {
                return Ok(());
            }
        }
        Err(ETIMEDOUT)
    }

    /// Asks each of the devices alone, and notes those that do not answer.
    fn ask_each(&self, state: &mut State, suspects: &Suspects) -> Result {
        // So many devices have a tenth of a second each.
        const WELL_TREATED: usize = 5;
        state.silent.clear();
        for request in suspects.requests() {
            let patience = if state.silent.len() < WELL_TREATED {
                PATIENCE
            } else {
                PATIENCE / 20
            };
            if self.run_alone(state, core::iter::once(request), patience) {
                continue;
            }
            let sid = device_of(request).unwrap_or(0);
            self.log_error(fmt!("requester {sid:#06x} does not invalidate its TLB"));
            state.silent.note(sid);
            self.restart_empty(state)?;
        }
        Ok(())
    }

    /// Has the unit carry out requests while the ring is empty, and nobody else can write to it.
    /// Returns whether they are complete.
    fn run_alone(
        &self,
        state: &mut State,
        requests: impl Iterator<Item = [u64; 2]>,
        patience: usize,
    ) -> bool {
        let mut slot = state.next;
        for request in requests {
            self.ring.put(slot, request);
            slot = slot.wrapping_add(1);
        }
        // A number of its own each time: a wait from before may still write.
        state.alone = state.alone.wrapping_add(1);
        let number = state.alone;
        let wait = descriptor::wait(number, self.ring.spare_address());
        self.ring.put(slot, wait);
        state.next = slot.wrapping_add(1);
        state.counts.wait = state.counts.wait.wrapping_add(1);
        self.ring_tail(state);
        for _ in 0..patience {
            if self.ring.spare_status() == number {
                state.oldest = state.next;
                return true;
            }
            let status = self.regs.read(FSTS_REG);
            if status.iqe() || status.ite() {
                break;
            }
            udelay(STEP);
        }
        false
    }
}

/// Polls of a tenth of a second. TIMEOUT: what is asked for takes microseconds, as nothing else is
/// under way; a device has had a second before.
const PATIENCE: usize = 10_000;
const STEP: Delta = Delta::from_micros(10);
