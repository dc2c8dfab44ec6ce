// SPDX-License-Identifier: GPL-2.0

//! In which context code runs: what a caller promised, and who breaks it.
//!
//! A test runs code [`atomic`]ally, as a caller does that passes `GFP_ATOMIC`, or [`without_memory`],
//! as the paths do that may not fail. Who holds an `IrqLock`, or handles an interrupt, is without
//! memory, too: on `PREEMPT_RT` the allocators' own locks sleep. Who reads under RCU is atomic. The
//! stand-ins of allocators and of locks look at it, and the test fails where the code sleeps, or
//! asks for memory in a way that may sleep.

use std::{
    cell::Cell,
    marker::PhantomData,
    thread::LocalKey, //
};

thread_local! {
    /// How many reasons there are for this thread not to sleep.
    static ATOMIC: Cell<usize> = const { Cell::new(0) };
    /// How many there are for it not to ask for memory at all.
    static WITHOUT_MEMORY: Cell<usize> = const { Cell::new(0) };
}

/// A reason, while it lasts. It belongs to one thread.
pub struct Reason {
    count: &'static LocalKey<Cell<usize>>,
    thread: PhantomData<*const ()>,
}

impl Reason {
    fn of(count: &'static LocalKey<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self {
            count,
            thread: PhantomData,
        }
    }

    /// A reason not to sleep.
    pub fn atomic() -> Self {
        Self::of(&ATOMIC)
    }

    /// A reason not to sleep, nor to ask for memory.
    pub fn without_memory() -> Self {
        Self::of(&WITHOUT_MEMORY)
    }
}

impl Drop for Reason {
    fn drop(&mut self) {
        // A thread that ends may have lost its counts before what it holds.
        let _ = self
            .count
            .try_with(|count| count.set(count.get().saturating_sub(1)));
    }
}

/// Runs `f` where nothing may sleep.
pub fn atomic<R>(f: impl FnOnce() -> R) -> R {
    let _reason = Reason::atomic();
    f()
}

/// Runs `f` where nothing may sleep, and no memory be asked for.
pub fn without_memory<R>(f: impl FnOnce() -> R) -> R {
    let _reason = Reason::without_memory();
    f()
}

/// To be called by what asks for memory. Fails the test if that may not be done here.
#[track_caller]
pub fn allocates(may_sleep: bool) {
    assert!(
        WITHOUT_MEMORY.get() == 0,
        "memory is asked for where none may be"
    );
    assert!(
        !may_sleep || ATOMIC.get() == 0,
        "an allocation may sleep where nothing may"
    );
}

/// To be called by what may sleep. Fails the test if that may not be done here.
#[track_caller]
pub fn sleeps() {
    assert!(
        ATOMIC.get() == 0 && WITHOUT_MEMORY.get() == 0,
        "code sleeps where nothing may"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alloc::{
            flags::*,
            KVec, //
        },
        sync::Arc, //
    };

    #[test]
    fn anything_goes_at_first() {
        allocates(true);
        sleeps();
        atomic(|| allocates(false));
        allocates(true);
    }

    #[test]
    #[should_panic(expected = "may sleep where nothing may")]
    fn no_sleeping_allocation_where_nothing_may_sleep() {
        let _ = atomic(|| Arc::new(1, GFP_KERNEL));
    }

    #[test]
    #[should_panic(expected = "memory is asked for")]
    fn no_memory_where_none_may_be_asked_for() {
        without_memory(|| atomic(|| allocates(false)));
    }

    #[test]
    fn room_that_is_there_takes_no_memory() {
        let mut numbers = KVec::with_capacity(1, GFP_KERNEL).unwrap();
        without_memory(|| numbers.push(1, GFP_KERNEL)).unwrap();
        assert_eq!(numbers[..], [1]);
    }
}
