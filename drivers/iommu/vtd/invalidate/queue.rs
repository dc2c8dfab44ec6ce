// SPDX-License-Identifier: GPL-2.0

//! The invalidation queue: a ring of requests in memory (VT-d 6.5.2).
//!
//! A batch of requests is written to the ring, followed by a *wait*: when all before it is
//! complete, the unit writes the batch's number to the status word of the wait's slot, which the
//! submitter polls. No lock is held meanwhile, so that several CPUs have batches in the ring. May
//! be used in any context but an NMI.
//!
//! # Who owns a slot
//!
//! - From `next` up to the slot before `oldest`, slots are free. The holder of the lock may write
//!   them.
//! - From `oldest` up to `next`, they are the unit's. They become free, batch by batch, when the
//!   batch's wait is complete. The one exception is the slot at which the unit has stopped with an
//!   error: the holder of the lock rewrites it.
//!
//! Status words are not freed by who polls them: numbers grow, so that a later number, too, says
//! that the batch is complete.
//!
//! # Errors
//!
//! When a unit refuses a descriptor (FSTS_REG.IQE) it stops there. Whoever waits, or the handler of
//! the fault event, takes the lock, puts the widest request of that kind in its place, and lets the
//! unit go on: all batches, the refused one included, then have the effect that they were sent for.
//!
//! When a device does not answer (FSTS_REG.ITE) the unit drops the waits that it has taken, and
//! stops. So batches whose wait was dropped, and the one of which only a part was taken, have *timed
//! out*: their submitters send them again. A submitter is told which device has not answered, and
//! sees to it that the device is not asked again.
//!
//! | file | what |
//! |---|---|
//! | [`ring`] | the slots, and the status words |
//! | [`state`] | which slots are free |
//! | [`errors`] | what the unit reports, and how it goes on |
//! | [`retry`], [`batch`] | what has timed out |
//! | [`stall`] | a queue that does not go on is turned off and on again |
//!
//! # Time
//!
//! A CPU that waits may have interrupts off, and cannot go on before its requests are complete, as
//! the memory would be used again. So one stall costs it about two seconds. Several stalls in a row
//! have no such bound (Documentation/todo.rst).
//!
//! - If nothing is complete for a second, the queue has [stalled](stall): it is turned off and on
//!   again. What was sent is complete then, or its submitters are told which devices do not answer.
//! - So it is if requests of one submitter are not complete after two seconds, though others are.
//! - If the queue does not work after that either, the unit is given up, with one line in the log;
//!   every request after that fails at once.
//!
//! PCIe leaves a device a minute to answer, and a unit half of that again to notice that it does not
//! (10.3.5). Here a device has a second: a device that takes longer loses its ATS.

mod batch;
mod errors;
mod retry;
mod ring;
mod stall;
mod state;

use self::{
    batch::Batch,
    ring::Ring,
    state::State, //
};
use super::{
    counts::Counts,
    descriptor::{
        self,
        Descriptor,
        DrainBits, //
    }, //
};
use crate::regs::{
    capability::Drain,
    command::Command,
    invalidation::IQT_REG,
    Regs, //
};
use iommu_ext::{
    addr::PhysAddr,
    new_irq_lock,
    pages::NumaNode,
    ratelimit::RateLimit,
    sync::{
        irq_lock::{
            IrqGuard,
            IrqLock, //
        },
        marked::read_once, //
    }, //
};
use kernel::{
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::udelay,
        Delta, //
    }, //
};

/// The invalidation queue of a unit.
///
/// Must outlive the unit's use of it, which
/// [`Command::disable_queue`](crate::regs::command::Command::disable_queue) ends.
#[pin_data]
pub(crate) struct Queue {
    regs: Arc<Regs>,
    command: Arc<Command>,
    drain: DrainBits,
    ring: Ring,
    /// The unit was given up.
    broken: Atomic<bool>,
    /// The newest batch that has timed out.
    timed_out: Atomic<u64>,
    /// The newest batch whose requests, but for those to devices, a global invalidation has taken the
    /// place of.
    covered: Atomic<u64>,
    /// For errors: a device can cause them as often as it likes.
    #[pin]
    error_limit: RateLimit,
    #[pin]
    state: IrqLock<State>,
}

/// How requests have ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// All are complete.
    Done,
    /// The TLB of the device with this requester ID cannot be invalidated: it does not answer, or
    /// the unit refuses to ask it. Requests after that may not have been sent.
    Silent(u16),
}

/// How one request has ended.
#[must_use = "a request that has timed out must be sent again"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attempt {
    /// It is complete.
    Done,
    /// Some device has not answered: the request may be lost, and must be sent again.
    TimedOut,
}

impl Outcome {
    fn into_result(self) -> Result {
        match self {
            Self::Done => Ok(()),
            Self::Silent(_) => Err(EIO),
        }
    }
}

/// How far the unit has come.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Progress {
    /// The first slot that is not complete.
    oldest: u8,
    /// How often the queue was turned off and on again.
    recoveries: u64,
}

/// A batch in the ring.
struct Ticket {
    number: u64,
    /// Slot of its wait.
    slot: u8,
    /// There are no further requests.
    is_last: bool,
}

impl Queue {
    /// An empty queue, for a unit whose IOTLB invalidations can wait for what `drain` says; its
    /// memory is taken from node `numa`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        regs: Arc<Regs>,
        command: Arc<Command>,
        drain: Drain,
        numa: NumaNode,
    ) -> Result<impl PinInit<Self>> {
        let ring = Ring::new(numa)?;
        Ok(pin_init!(Self {
            regs,
            command,
            drain: drain.into(),
            ring,
            broken: Atomic::new(false),
            timed_out: Atomic::new(0),
            covered: Atomic::new(0),
            error_limit <- RateLimit::new(),
            state <- new_irq_lock!(State::new(), "vtd::Queue"),
        }))
    }

    /// Where the ring is, for IQA_REG.
    pub(crate) fn ring(&self) -> PhysAddr {
        self.ring.address()
    }

    /// Waits until everything in the ring is complete. Who has sent it may not have seen that yet;
    /// it stays to be seen, also after a [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// - `EIO`: the unit was given up.
    /// - `ETIMEDOUT`: the unit does not answer.
    pub(crate) fn quiesce(&self) -> Result {
        if self.broken.load(Relaxed) {
            return Err(EIO);
        }
        self.wait_until(|| {
            let mut state = self.state.lock();
            self.reclaim(&mut state);
            // The last slot in use is a wait's.
            (state.oldest == state.next).then_some(())
        })
    }

    /// Begins with an empty ring, for a unit that has lost, or never had, its place in it.
    /// Everything that was sent is complete ([`quiesce`](Self::quiesce)): status words and the
    /// numbers of batches stay, so that who still polls for a batch sees that it is.
    pub(crate) fn restart(&self) {
        let mut state = self.state.lock();
        state.next = 0;
        state.oldest = 0;
    }

    /// What was sent so far.
    pub(crate) fn counts(&self) -> Counts {
        self.state.lock().counts
    }

    /// Sends requests, none of them to a device, and waits until they are complete; see
    /// [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub(crate) fn submit(&self, requests: &[Descriptor]) -> Result {
        self.send(requests.iter().copied())?.into_result()
    }

    /// Sends requests and waits until they are complete. What was written to tables before is
    /// seen by the unit when it executes them. IOTLB requests take effect after context-cache
    /// requests that were sent before them, in the same call or earlier, and requests to devices
    /// after both (6.5.2.11).
    ///
    /// `requests` may be asked for again: for no more than the first time.
    ///
    /// # Errors
    ///
    /// - `EIO`: the unit was given up, or drops waits for no reason.
    /// - `ETIMEDOUT`: the unit does not answer.
    pub(crate) fn send(
        &self,
        mut requests: impl Iterator<Item = Descriptor> + Clone,
    ) -> Result<Outcome> {
        loop {
            let batch = requests.clone();
            if batch.clone().next().is_none() {
                return Ok(Outcome::Done);
            }
            let ticket = self.enqueue(&mut requests)?;
            self.wait_for(&ticket)?;
            if self.has_timed_out(&ticket) {
                return self.send_again(batch, &ticket);
            }
            if ticket.is_last {
                return Ok(Outcome::Done);
            }
        }
    }

    /// As [`submit`](Self::submit) of one request, not to a device, in fewer instructions: most unmaps send no more.
    /// In the driver for one place only, where the kind of the request is known.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline(always)]
    pub(crate) fn try_one(&self, request: Descriptor) -> Result<Attempt> {
        let ticket = self.enqueue(&mut core::iter::once(request))?;
        self.wait_for(&ticket)?;
        Ok(
            if self.has_timed_out(&ticket) && !self.is_covered(&ticket) {
                Attempt::TimedOut
            } else {
                Attempt::Done
            },
        )
    }

    /// Writes a batch to the ring, as soon as there is room.
    #[inline(always)]
    fn enqueue(&self, requests: &mut impl Iterator<Item = Descriptor>) -> Result<Ticket> {
        let mut state = self.state.lock();
        if state.free() <= Batch::CAPACITY {
            drop(state);
            state = self.lock_with_room()?;
        }
        // With the lock held: once the queue is given up, the tail is not moved any more.
        if read_once(&self.broken) {
            return Err(EIO);
        }
        Ok(self.write(&mut state, requests))
    }

    /// Waits until a batch and its wait have room.
    #[cold]
    #[inline(never)]
    fn lock_with_room(&self) -> Result<IrqGuard<'_, State>> {
        self.wait_until(|| {
            let mut state = self.state.lock();
            self.reclaim(&mut state);
            (state.free() > Batch::CAPACITY).then_some(state)
        })
    }

    /// Writes the next requests, as many as a batch has, to free slots, and tells the unit.
    #[inline(always)]
    fn write(&self, state: &mut State, requests: &mut impl Iterator<Item = Descriptor>) -> Ticket {
        let mut slot = state.next;
        let mut left = Batch::CAPACITY;
        let is_last = loop {
            if left == 0 {
                break false;
            }
            let Some(request) = requests.next() else {
                break true;
            };
            self.ring.put(slot, request.encode(self.drain));
            state.counts.count(request);
            slot = slot.wrapping_add(1);
            left = left.wrapping_sub(1);
        };
        let number = state.batch.wrapping_add(1);
        self.ring.reset_status(slot, state.batch);
        self.ring.put(
            slot,
            descriptor::wait(number as u32, self.ring.status_address(slot)),
        );

        state.next = slot.wrapping_add(1);
        state.batch = number;
        state.counts.wait = state.counts.wait.wrapping_add(1);
        self.ring_tail(state);
        Ticket {
            number,
            slot,
            is_last,
        }
    }

    /// Waits until a batch is complete, or has timed out.
    #[inline]
    fn wait_for(&self, ticket: &Ticket) -> Result {
        // CAST: The unit writes the low half.
        let (slot, number) = (ticket.slot, ticket.number as u32);
        if self.ring.is_complete(slot, number) {
            return Ok(());
        }
        self.wait_until(move || self.ring.is_complete(slot, number).then_some(()))
    }

    /// Whether a batch has timed out, rather than that it is complete.
    #[inline]
    fn has_timed_out(&self, ticket: &Ticket) -> bool {
        // What was written before the status word that `wait_for` has acquired.
        read_once(&self.timed_out) >= ticket.number
    }

    /// Whether a batch that has timed out is complete all the same, but for its requests to devices.
    #[cold]
    fn is_covered(&self, ticket: &Ticket) -> bool {
        read_once(&self.covered) >= ticket.number
    }

    /// Tells the unit how far the ring is written. The register write comes after all writes to
    /// memory before it: the unit finds the descriptors, and the tables that they are about.
    fn ring_tail(&self, state: &State) {
        self.regs.write_reg(IQT_REG::zeroed().with_qt(state.next));
    }

    /// Frees the slots of complete batches.
    fn reclaim(&self, state: &mut State) {
        // The last slot in use is the newest batch's wait, and a wait is complete after all that is
        // before it (6.5.2.8): mostly there is no more to look at. Waits that the unit drops are no
        // exception: it goes on only when `time_out` has ended them.
        // CAST: The unit writes the low half.
        let (newest, number) = (state.next.wrapping_sub(1), state.batch as u32);
        if self.ring.is_complete(newest, number) {
            state.oldest = state.next;
            return;
        }
        for slot in state.taken_from(state.oldest) {
            if let Some(number) = self.ring.wait_in(slot) {
                if !self.ring.is_complete(slot, number) {
                    return;
                }
                state.oldest = slot.wrapping_add(1);
            }
        }
    }

    /// Calls `ready` until it returns something, and looks after errors of the unit meanwhile.
    #[cold]
    #[inline(never)]
    fn wait_until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        // TIMEOUT: Invalidations take microseconds, as they wait for DMA in flight. The first
        // polls read memory only; the others read a register too, which takes a microsecond: a round
        // takes a second.
        const FAST_POLLS: usize = 10_000;
        const SLOW_POLLS: usize = 300_000;
        const STEP: Delta = Delta::from_micros(2);
        // The unit goes on after an error: there are not more of those before ours than the ring has
        // slots. (Others may be faster to take a free one.)
        const ROUNDS: usize = 1000;

        for _ in 0..FAST_POLLS {
            if let Some(value) = ready() {
                return Ok(value);
            }
            cpu_relax();
        }
        let mut is_late = false;
        'rounds: for _ in 0..ROUNDS {
            let before = self.progress();
            for _ in 0..SLOW_POLLS {
                if let Some(value) = ready() {
                    return Ok(value);
                }
                if self.broken.load(Relaxed) {
                    return Err(EIO);
                }
                if self.recover() {
                    continue 'rounds;
                }
                udelay(STEP);
            }
            let now = self.progress();
            // A second time it does not help that others get on.
            if now == before || core::mem::replace(&mut is_late, true) {
                self.restart_stalled(now)?;
            }
        }
        self.give_up("no end of errors");
        Err(ETIMEDOUT)
    }
}
