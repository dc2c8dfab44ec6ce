// SPDX-License-Identifier: GPL-2.0

//! The machine that the code under test runs on: what a test puts below it.
//!
//! A thread runs on one machine at a time, the one that it has [`enter`]ed. What would be an
//! instruction or an access to hardware in the kernel is a call of the machine here.

use std::{
    cell::{
        Cell,
        RefCell, //
    },
    sync::Arc, //
};

/// The registers of a device.
pub trait Registers: Send + Sync {
    /// Reads `size` bytes at `offset`.
    fn read(&self, offset: usize, size: usize) -> u64;

    /// Writes `size` bytes at `offset`.
    fn write(&self, offset: usize, size: usize, value: u64);
}

/// A machine.
pub trait Machine: Send + Sync {
    /// The CPU waits: time passes for everything else.
    fn relax(&self);

    /// The CPU has written to memory that devices read, and will go on at once: now and then
    /// something else happens in between.
    fn wrote(&self) {}

    /// The CPU takes interrupts again.
    fn enable_interrupts(&self);

    /// The NUMA node whose memory is given to who does not ask for a certain one.
    fn node(&self) -> i32;

    /// The device whose registers begin at the physical address `start`.
    fn device(&self, start: u64) -> Option<Arc<dyn Registers>>;

    /// A page of memory that hardware may have been told of is about to be freed.
    fn free(&self, page: u64);
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
    static INTERRUPTS_OFF: Cell<usize> = const { Cell::new(0) };
}

/// Keeps the thread on the machine.
pub struct Entered(Option<Arc<dyn Machine>>);

/// Lets the thread run on `machine`.
pub fn enter(machine: Arc<dyn Machine>) -> Entered {
    Entered(CURRENT.replace(Some(machine)))
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The machine of this thread.
pub fn current() -> Option<Arc<dyn Machine>> {
    CURRENT.with_borrow(Clone::clone)
}

/// A number that no other machine has at the same time; 0 for none.
pub fn number() -> usize {
    current().map_or(0, |machine| Arc::as_ptr(&machine).cast::<()>() as usize)
}

/// Calls the machine of this thread, if there is one.
pub fn with<R>(f: impl FnOnce(&dyn Machine) -> R) -> Option<R> {
    current().map(|machine| f(&*machine))
}

/// Turns interrupts off on this thread, once more.
pub fn disable_interrupts() {
    INTERRUPTS_OFF.set(INTERRUPTS_OFF.get() + 1);
}

/// Undoes one [`disable_interrupts`].
pub fn restore_interrupts() {
    INTERRUPTS_OFF.set(INTERRUPTS_OFF.get() - 1);
    if takes_interrupts() {
        with(|machine| machine.enable_interrupts());
    }
}

/// Whether this thread takes interrupts.
pub fn takes_interrupts() -> bool {
    INTERRUPTS_OFF.get() == 0
}
