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
//! stops. What else it has taken it carries out, but for the request to that device (6.5.2.10). So
//! batches whose wait was dropped, and the one of which only a part was taken, have *timed out*.
//! Their submitters send a wait again, and what they have asked of devices. The device that is to
//! blame is the one that the unit names (IQERCD_REG.ITESID); on units that name none, the only one
//! that was asked; if there were several, they are asked one by one. The submitter is told who it
//! was, and sees to it that the device is not asked again.
//!
//! # Time
//!
//! A unit that does not answer within a second is given up, with one line in the log; every request
//! after that fails at once. While devices are asked the unit has more time, as PCIe leaves a
//! device a minute and half of that again (10.3.5): only then would the unit have noticed. Who
//! waits cannot go on before that, as the memory would be used again.

use super::{
    batch::Batch,
    counts::Counts,
    descriptor::{
        self,
        device_of,
        Descriptor, //
    }, //
};
use crate::regs::{
    capability::Drain,
    fault::FSTS_REG,
    invalidation::{
        IQERCD_REG,
        IQH_REG,
        IQT_REG, //
    },
    Regs, //
};
use iommu_ext::{
    addr::PhysAddr,
    new_irq_lock,
    pages::{
        Gfp,
        NumaNode,
        TablePage, //
    },
    ratelimit::RateLimit,
    sync::{
        irq_lock::{
            IrqGuard,
            IrqLock, //
        },
        marked::{
            load_acquire,
            read_once,
            write_once, //
        }, //
    }, //
};
use kernel::{
    fmt,
    io::Io,
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
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
    drain: Drain,
    /// 256 slots of two words.
    ring: TablePage,
    /// One word per slot. The unit writes the low half.
    status: TablePage,
    /// The unit was given up.
    broken: Atomic<bool>,
    /// The newest batch that has timed out.
    timed_out: Atomic<u64>,
    /// For errors: a device can cause them as often as it likes.
    #[pin]
    error_limit: RateLimit,
    #[pin]
    state: IrqLock<State>,
}

/// Slots are counted in 8 bits, and so wrap as the ring does.
struct State {
    /// The next slot to be written.
    next: u8,
    /// The first slot that is not known to be free.
    oldest: u8,
    /// Number of the last batch.
    batch: u64,
    /// The device that is to blame for the last time-out, if one is known.
    silent: Option<u16>,
    counts: Counts,
}

impl State {
    /// Batches are counted in 64 bits, of which the unit writes 32. The first number is shortly
    /// before those begin again at 0, so that every machine comes by there, and not only one that
    /// has run for an hour.
    const BEFORE_FIRST: u64 = (1 << 32) - 1000;

    /// Slots that may be written. One is always left out, as a full ring would look empty.
    fn free(&self) -> usize {
        usize::from(self.oldest.wrapping_sub(self.next).wrapping_sub(1))
    }

    /// Slots from `slot` on, up to `next`.
    fn taken_from(&self, slot: u8) -> impl Iterator<Item = u8> {
        let len = self.next.wrapping_sub(slot);
        (0..len).map(move |i| slot.wrapping_add(i))
    }

    /// The full number of a recent batch.
    fn full_number(&self, low: u32) -> u64 {
        let age = (self.batch as u32).wrapping_sub(low);
        self.batch.wrapping_sub(u64::from(age))
    }
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

impl Outcome {
    fn into_result(self) -> Result {
        match self {
            Self::Done => Ok(()),
            Self::Silent(_) => Err(EIO),
        }
    }
}

/// A batch in the ring.
struct Ticket {
    number: u64,
    /// Slot of its wait.
    slot: u8,
    /// Requests in it.
    len: usize,
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
    pub(crate) fn new(regs: Arc<Regs>, drain: Drain, numa: NumaNode) -> Result<impl PinInit<Self>> {
        let ring = TablePage::alloc(numa, Gfp::KERNEL)?;
        let status = TablePage::alloc(numa, Gfp::KERNEL)?;
        Ok(pin_init!(Self {
            regs,
            drain,
            ring,
            status,
            broken: Atomic::new(false),
            timed_out: Atomic::new(0),
            error_limit <- RateLimit::new(),
            state <- new_irq_lock!(
                State {
                    next: 0,
                    oldest: 0,
                    batch: State::BEFORE_FIRST,
                    silent: None,
                    counts: Counts::default(),
                },
                "vtd::Queue",
            ),
        }))
    }

    /// Where the ring is, for IQA_REG.
    pub(crate) fn ring(&self) -> PhysAddr {
        self.ring.phys()
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
                return self.send_again(batch, ticket.len);
            }
            if ticket.is_last {
                return Ok(Outcome::Done);
            }
        }
    }

    /// As [`submit`](Self::submit) of one request, in fewer instructions: most unmaps send no more.
    /// For one place, where the kind of the request is known.
    #[inline(always)]
    pub(crate) fn submit_one(&self, request: Descriptor) -> Result {
        let ticket = self.enqueue(&mut core::iter::once(request))?;
        self.wait_for(&ticket)?;
        if self.has_timed_out(&ticket) {
            let requests = core::iter::once(request);
            return self.send_again(requests, ticket.len)?.into_result();
        }
        Ok(())
    }

    /// Goes on with requests, of which the first `sent` have timed out, and finds out whose fault it
    /// is. Of those the unit has carried out, or will before the next wait, what it has not asked a
    /// device: such requests come first.
    #[cold]
    #[inline(never)]
    fn send_again(
        &self,
        requests: impl Iterator<Item = Descriptor>,
        mut sent: usize,
    ) -> Result<Outcome> {
        let mut batch = Batch::new();
        for request in requests {
            let was_sent = sent > 0;
            sent = sent.saturating_sub(1);
            if was_sent && request.device().is_none() {
                continue;
            }
            if let Err(request) = batch.push(request) {
                let outcome = self.run(batch)?;
                if outcome != Outcome::Done {
                    return Ok(outcome);
                }
                batch = Batch::new();
                // An empty batch takes it.
                let _ = batch.push(request);
            }
        }
        self.run(batch)
    }

    /// Sends a batch, or only a wait if there is nothing in it, until the wait is complete.
    fn run(&self, mut batch: Batch) -> Result<Outcome> {
        // Each time-out costs some device its ATS, sooner or later: so many must fail meanwhile.
        const ATTEMPTS: usize = 32;
        // A device that has been asked alone this often, and each time one that is not known has
        // not answered, is taken to be the one.
        const BENEFIT_OF_DOUBT: usize = 3;
        for attempt in 1..=ATTEMPTS {
            let ticket = self.enqueue(&mut batch.requests())?;
            self.wait_for(&ticket)?;
            if !self.has_timed_out(&ticket) {
                return Ok(Outcome::Done);
            }
            let silent = self.state.lock().silent;
            if let Some(sid) = silent.filter(|sid| batch.devices().any(|asked| asked == *sid)) {
                return Ok(Outcome::Silent(sid));
            }
            batch = batch.to_devices();
            let mut asked = batch.devices();
            match (asked.next(), asked.next()) {
                (Some(only), None) if attempt >= BENEFIT_OF_DOUBT => {
                    return Ok(Outcome::Silent(only));
                }
                (Some(_), Some(_)) if silent.is_none() => return self.ask_one_by_one(&batch),
                _ => (),
            }
        }
        Err(EIO)
    }

    /// Asks devices one by one, of which one has not answered.
    fn ask_one_by_one(&self, batch: &Batch) -> Result<Outcome> {
        for request in batch.requests() {
            let outcome = self.run(Batch::of(request))?;
            if outcome != Outcome::Done {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Done)
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
        if self.broken.load(Relaxed) {
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
            self.put(slot, request.encode(self.drain));
            state.counts.count(request);
            slot = slot.wrapping_add(1);
            left = left.wrapping_sub(1);
        };
        let number = state.batch.wrapping_add(1);
        // The slot's last number may be so old that it would compare as a later one. Whoever still
        // polls for it is content with this one.
        write_once(self.status_word(slot), state.batch);
        self.put(
            slot,
            descriptor::wait(number as u32, self.status_address(slot)),
        );

        state.next = slot.wrapping_add(1);
        state.batch = number;
        state.counts.wait = state.counts.wait.wrapping_add(1);
        self.ring_tail(state);
        Ticket {
            number,
            slot,
            len: Batch::CAPACITY.wrapping_sub(left),
            is_last,
        }
    }

    /// Waits until a batch is complete, or has timed out.
    #[inline]
    fn wait_for(&self, ticket: &Ticket) -> Result {
        // CAST: The unit writes the low half.
        let is_complete = || self.is_complete(ticket.slot, ticket.number as u32);
        if is_complete() {
            return Ok(());
        }
        self.wait_until(|| is_complete().then_some(()))
    }

    /// Whether a batch has timed out, rather than that it is complete.
    #[inline]
    fn has_timed_out(&self, ticket: &Ticket) -> bool {
        // What was written before the status word that `wait_for` has acquired.
        read_once(&self.timed_out) >= ticket.number
    }

    /// Tells the unit how far the ring is written. The register write comes after all writes to
    /// memory before it: the unit finds the descriptors, and the tables that they are about.
    fn ring_tail(&self, state: &State) {
        self.regs.write_reg(IQT_REG::zeroed().with_qt(state.next));
    }

    /// Frees the slots of complete batches.
    fn reclaim(&self, state: &mut State) {
        for slot in state.taken_from(state.oldest) {
            if let Some(number) = self.wait_in(slot) {
                if !self.is_complete(slot, number) {
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
        // polls read memory only; the others read a register too, which takes a microsecond. After
        // a second of them the unit does not answer, unless a device is asked: PCIe leaves that one
        // 90 seconds.
        const FAST_POLLS: usize = 10_000;
        const SLOW_POLLS: usize = 300_000;
        const STEP: Delta = Delta::from_micros(2);
        const PATIENT_POLLS: usize = 90_000;
        const PATIENT_STEP: Delta = Delta::from_micros(1000);

        for _ in 0..FAST_POLLS {
            if let Some(value) = ready() {
                return Ok(value);
            }
            cpu_relax();
        }
        for poll in 0..SLOW_POLLS + PATIENT_POLLS {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if self.broken.load(Relaxed) {
                return Err(EIO);
            }
            self.recover();
            if poll < SLOW_POLLS {
                udelay(STEP);
                continue;
            }
            let Some(sid) = self.asked_device() else {
                break;
            };
            if poll == SLOW_POLLS {
                self.log_error(fmt!("requester {sid:#06x} is slow to invalidate its TLB"));
            }
            udelay(PATIENT_STEP);
        }
        self.give_up("no answer");
        Err(ETIMEDOUT)
    }

    /// Lets the unit go on after an error. Any context.
    pub(crate) fn recover(&self) {
        if !self.regs.read(FSTS_REG).is_of_queue() {
            return;
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
    }

    /// Replaces the descriptor at which the unit has stopped, and lets the unit go on.
    fn replace_refused(&self, state: &mut State) {
        let slot = self.head();
        let words = self.words(slot);
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
                state.silent = Some(sid);
                Some(Descriptor::IotlbGlobal)
            }
            None => descriptor::widest_like(words, self.drain),
        };
        let Some(widest) = widest else {
            self.give_up("no other descriptor in its place");
            return self.skip_rest(slot);
        };
        self.put(slot, widest.encode(self.drain));
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
        let mut asked = taken().filter_map(|slot| device_of(self.words(slot)));
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
            let Some(number) = self.wait_in(slot) else {
                continue;
            };
            if !self.is_complete(slot, number) {
                // Release: who sees the batch complete sees that it has timed out.
                self.status_word(slot).store(u64::from(number), Release);
            }
        }
        state.silent = silent;
    }

    /// Notes that all batches up to `newest` have timed out.
    fn note_time_out(&self, newest: Option<u64>) {
        let newest = newest.unwrap_or(0).max(self.timed_out.load(Relaxed));
        self.timed_out.store(newest, Relaxed);
    }

    /// Number of the batch that `slot` belongs to, if it is under way.
    fn batch_of(&self, state: &State, slot: u8) -> Option<u64> {
        let number = state.taken_from(slot).find_map(|slot| self.wait_in(slot))?;
        Some(state.full_number(number))
    }

    /// A device that was asked something, and has perhaps not answered yet.
    fn asked_device(&self) -> Option<u16> {
        let mut state = self.state.lock();
        self.reclaim(&mut state);
        state
            .taken_from(state.oldest)
            .find_map(|slot| device_of(self.words(slot)))
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

    fn log_error(&self, error: fmt::Arguments<'_>) {
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

    /// Number of the batch whose wait is in `slot`, if there is a wait.
    fn wait_in(&self, slot: u8) -> Option<u32> {
        descriptor::wait_data(self.words(slot), self.status_address(slot))
    }

    /// Whether the wait in `slot` is complete for batch `number`, or for one after it.
    fn is_complete(&self, slot: u8, number: u32) -> bool {
        // Acquire: what the caller does next is not done before the invalidation.
        let done = load_acquire(self.status_word(slot)) as u32;
        // At most 255 batches are under way, so half of the numbers are always later ones.
        done.wrapping_sub(number) <= i32::MAX as u32
    }

    fn words(&self, slot: u8) -> [u64; 2] {
        let (low, high) = self.slot(slot);
        [read_once(low), read_once(high)]
    }

    fn put(&self, slot: u8, words: [u64; 2]) {
        let (low, high) = self.slot(slot);
        write_once(low, words[0]);
        write_once(high, words[1]);
    }

    // PANIC: A page has 512 words: two for each number of 8 bits.
    fn slot(&self, slot: u8) -> (&Atomic<u64>, &Atomic<u64>) {
        let low = usize::from(slot) * 2;
        (&self.ring.entries()[low], &self.ring.entries()[low + 1])
    }

    // PANIC: As above.
    fn status_word(&self, slot: u8) -> &Atomic<u64> {
        &self.status.entries()[usize::from(slot)]
    }

    fn status_address(&self, slot: u8) -> PhysAddr {
        let offset = usize::from(slot) * size_of::<u64>();
        PhysAddr(self.status.phys().0.wrapping_add(offset as u64))
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
            silent: None,
            counts: Counts::default(),
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
