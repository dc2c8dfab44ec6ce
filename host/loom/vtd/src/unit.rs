// SPDX-License-Identifier: GPL-2.0

//! What a unit does with its queue (VT-d 6.5.2), step by step: a model decides when it does what.
//! Read from the specification; shares no constant with the driver.
//!
//! Registers order as they do in the machine: who reads what another one has written to a register
//! sees what that one did before, and memory that the unit writes before a register, or before an
//! interrupt, is seen by who sees those.

use crate::{
    addr::PhysAddr,
    pages, //
};
use kernel::{
    machine::{
        Machine,
        Registers, //
    },
    sync::atomic::{
        Relaxed,
        Release, //
    }, //
};
use loom::sync::{
    atomic::{
        AtomicU64,
        Ordering::{
            AcqRel,
            Acquire,
            Relaxed as Unordered, //
        }, //
    },
    Condvar,
    Mutex, //
};
use std::{
    cell::Cell,
    sync::{
        atomic::{
            AtomicBool,
            AtomicU64 as HostU64,
            Ordering::SeqCst, //
        },
        Arc, //
    }, //
};

/// Where the registers are.
pub(crate) const REGISTERS: u64 = 0xfed9_0000;

/// FSTS_REG: the queue has stopped at a descriptor.
pub const QUEUE_ERROR: u64 = 1 << 4;
/// FSTS_REG: a device has not answered.
pub const TIMEOUT: u64 = 1 << 6;

/// A descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descriptor {
    /// Invalidate contexts.
    Contexts,
    /// Invalidate translations.
    Translations,
    /// Write a status.
    Wait {
        /// Where.
        address: u64,
        /// What.
        data: u32,
    },
}

/// Something that one thread waits for.
struct Event {
    /// How often it has happened since it was last waited for.
    times: Mutex<usize>,
    happened: Condvar,
}

impl Event {
    fn new() -> Self {
        Self {
            times: Mutex::new(0),
            happened: Condvar::new(),
        }
    }

    fn signal(&self) {
        *self.times.lock().unwrap() += 1;
        self.happened.notify_one();
    }

    fn wait(&self) {
        let mut times = self.times.lock().unwrap();
        while *times == 0 {
            times = self.happened.wait(times).unwrap();
        }
        *times = 0;
    }
}

/// What wakes the unit.
#[derive(Default)]
struct Bell {
    /// IQT_REG, in bytes.
    tail: u64,
    /// CPUs that wait for nothing any more.
    finished: usize,
}

/// The unit.
pub struct Unit {
    /// Set before there is a second thread.
    ring: HostU64,
    /// IQH_REG, in bytes. The driver reads it after FSTS_REG, by which it is ordered.
    head: HostU64,
    /// FSTS_REG.
    status: AtomicU64,
    bell: Mutex<Bell>,
    rung: Condvar,
    /// How often something has changed, and how often each CPU has looked again for that.
    moves: AtomicU64,
    seen: Vec<HostU64>,
    /// For each CPU that polls: something has changed.
    changes: Vec<Event>,
    /// Nothing will change any more.
    rests: AtomicBool,
}

loom::thread_local! {
    static CPU: Cell<usize> = Cell::new(0);
}

/// Which CPU this thread is.
pub fn run_as(cpu: usize) {
    CPU.with(|this| this.set(cpu));
}

impl Unit {
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            ring: HostU64::new(0),
            head: HostU64::new(0),
            status: AtomicU64::new(0),
            bell: Mutex::new(Bell::default()),
            rung: Condvar::new(),
            moves: AtomicU64::new(0),
            seen: (0..cpus).map(|_| HostU64::new(0)).collect(),
            changes: (0..cpus).map(|_| Event::new()).collect(),
            rests: AtomicBool::new(false),
        }
    }

    pub(crate) fn use_ring(&self, ring: PhysAddr) {
        self.ring.store(ring.0, SeqCst);
    }

    /// Waits until there are descriptors to take, and says how many; 0 once nobody waits for one any
    /// more.
    pub fn waiting(&self) -> u64 {
        let mut bell = self.bell.lock().unwrap();
        loop {
            let count = bell.tail.wrapping_sub(self.head.load(SeqCst)) % 4096 / 16;
            if count > 0 || bell.finished == self.changes.len() {
                return count;
            }
            bell = self.rung.wait(bell).unwrap();
        }
    }

    /// One CPU less waits for something.
    pub fn finish(&self) {
        self.bell.lock().unwrap().finished += 1;
        self.rung.notify_one();
    }

    /// The descriptor at the head, of which there must be one.
    pub fn at_head(&self) -> Descriptor {
        let at = self.ring.load(SeqCst) + self.head.load(SeqCst);
        let [low, high] = [at, at + 8].map(|at| pages::with_word(at, |word| word.load(Relaxed)));
        match low & 0xf {
            1 => Descriptor::Contexts,
            2 => Descriptor::Translations,
            5 => Descriptor::Wait {
                address: high,
                data: (low >> 32) as u32,
            },
            _ => panic!("what is no descriptor is taken: {low:#x} {high:#x}"),
        }
    }

    /// Takes the descriptor at the head, of which there must be one.
    pub fn take(&self) -> Descriptor {
        let descriptor = self.at_head();
        let next = (self.head.load(SeqCst) + 16) % 4096;
        self.head.store(next, SeqCst);
        descriptor
    }

    /// Has CPUs that wait a moment look again.
    pub fn change(&self) {
        self.moves.fetch_add(1, Unordered);
        self.changes.iter().for_each(Event::signal);
    }

    /// From here on nothing changes: who polls does so until it gives up.
    pub fn rest(&self) {
        self.rests.store(true, SeqCst);
        self.change();
    }

    /// Writes the status of a wait. Whatever the unit did before comes before that.
    pub fn write_status(&self, address: u64, data: u32) {
        pages::with_word(address, |word| word.store(data.into(), Release));
        self.change();
    }

    /// Reports an error of the queue.
    pub fn report(&self, error: u64) {
        self.status.fetch_or(error, AcqRel);
    }

    /// Whether an error was not cleared yet.
    pub fn is_stopped(&self) -> bool {
        self.status.load(Acquire) != 0
    }
}

impl Registers for Unit {
    fn read(&self, offset: usize, _: usize) -> u64 {
        match offset {
            0x34 => self.status.load(Acquire),
            0x80 => self.head.load(SeqCst),
            0x88 => self.bell.lock().unwrap().tail,
            // IQERCD_REG, of a unit that says nothing.
            0xb0 => 0,
            _ => panic!("register {offset:#x} is read"),
        }
    }

    fn write(&self, offset: usize, _: usize, value: u64) {
        match offset {
            0x34 => {
                self.status.fetch_and(!value, AcqRel);
            }
            0x88 => {
                self.bell.lock().unwrap().tail = value;
                self.rung.notify_one();
            }
            _ => panic!("register {offset:#x} is written"),
        }
    }
}

/// What the driver's code runs on.
pub(crate) struct Board(pub(crate) Arc<Unit>);

impl Machine for Board {
    fn relax(&self) {
        // Not a loop in which other threads run now and then: that would have too many orders.
        if self.0.rests.load(SeqCst) {
            loom::thread::yield_now();
            return;
        }
        let cpu = CPU.with(Cell::get);
        // Who looks again for this reason sees nothing by it: it is not ordered. Who sleeps is
        // ordered after what wakes it.
        let moves = self.0.moves.load(Unordered);
        if self.0.seen[cpu].swap(moves, SeqCst) == moves {
            self.0.changes[cpu].wait();
        }
    }

    fn enable_interrupts(&self) {}

    fn node(&self) -> i32 {
        0
    }

    fn device(&self, _: u64) -> Option<Arc<dyn Registers>> {
        Some(self.0.clone())
    }

    fn free(&self, _: u64) {}
}
