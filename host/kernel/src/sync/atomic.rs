// SPDX-License-Identifier: GPL-2.0

//! Atomics by the names of the kernel, over those of the host.

use crate::machine;
use std::{
    cell::UnsafeCell,
    sync::atomic as host, //
};

/// Ordering: none.
pub struct Relaxed;
/// Ordering: of a load, before what follows.
pub struct Acquire;
/// Ordering: of a store, after what precedes.
pub struct Release;
/// Ordering: full.
pub struct Full;

/// An ordering, as the host calls it.
pub trait Ordering {
    /// Of an operation that reads and writes.
    const UPDATE: host::Ordering;
    /// Of what it reads if it does not write.
    const FAILURE: host::Ordering;
}

impl Ordering for Relaxed {
    const UPDATE: host::Ordering = host::Ordering::Relaxed;
    const FAILURE: host::Ordering = host::Ordering::Relaxed;
}

impl Ordering for Acquire {
    const UPDATE: host::Ordering = host::Ordering::Acquire;
    const FAILURE: host::Ordering = host::Ordering::Relaxed;
}

impl Ordering for Release {
    const UPDATE: host::Ordering = host::Ordering::Release;
    const FAILURE: host::Ordering = host::Ordering::Relaxed;
}

impl Ordering for Full {
    const UPDATE: host::Ordering = host::Ordering::SeqCst;
    const FAILURE: host::Ordering = host::Ordering::SeqCst;
}

/// Orderings of a load.
pub trait AcquireOrRelaxed: Ordering {}

impl AcquireOrRelaxed for Acquire {}
impl AcquireOrRelaxed for Relaxed {}

/// Orderings of a store.
pub trait ReleaseOrRelaxed: Ordering {}

impl ReleaseOrRelaxed for Release {}
impl ReleaseOrRelaxed for Relaxed {}

/// What an [`Atomic`] can hold.
pub trait AtomicType: Copy {}

/// A word that several threads may use at once.
#[repr(transparent)]
pub struct Atomic<T>(UnsafeCell<T>);

// SAFETY: A word of a type without pointers.
unsafe impl<T: Send> Send for Atomic<T> {}
// SAFETY: All accesses are atomic.
unsafe impl<T: Send> Sync for Atomic<T> {}

impl<T> Atomic<T> {
    /// A word that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the word is.
    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

macro_rules! atomic {
    ($($type:ty => $host:ty),* $(,)?) => { $(
        impl AtomicType for $type {}

        impl Atomic<$type> {
            fn host(&self) -> &$host {
                // SAFETY: The word lives as long as the reference, is aligned for its type, which
                // on our hosts is enough, and is accessed atomically.
                unsafe { <$host>::from_ptr(self.0.get()) }
            }

            /// Reads the word.
            pub fn load<O: AcquireOrRelaxed>(&self, _: O) -> $type {
                self.host().load(O::UPDATE)
            }

            /// Writes the word.
            pub fn store<O: ReleaseOrRelaxed>(&self, value: $type, _: O) {
                self.host().store(value, O::UPDATE);
                machine::with(|machine| machine.wrote());
            }

            /// Writes the word and gives what it held.
            pub fn xchg<O: Ordering>(&self, value: $type, _: O) -> $type {
                let old = self.host().swap(value, O::UPDATE);
                machine::with(|machine| machine.wrote());
                old
            }

            /// Writes the word if it holds `old`. Gives what it held, as an error if that is
            /// something else.
            pub fn cmpxchg<O: Ordering>(
                &self,
                old: $type,
                new: $type,
                _: O,
            ) -> Result<$type, $type> {
                let found = self.host().compare_exchange(old, new, O::UPDATE, O::FAILURE);
                machine::with(|machine| machine.wrote());
                found
            }
        }
    )* };
}

macro_rules! arithmetic {
    ($($type:ty),* $(,)?) => { $(
        impl Atomic<$type> {
            /// Adds to the word.
            pub fn add<O: Ordering>(&self, value: $type, _: O) {
                self.host().fetch_add(value, O::UPDATE);
            }

            /// Adds to the word and gives what it held.
            pub fn fetch_add<O: Ordering>(&self, value: $type, _: O) -> $type {
                self.host().fetch_add(value, O::UPDATE)
            }

            /// Subtracts from the word and gives what it held.
            pub fn fetch_sub<O: Ordering>(&self, value: $type, _: O) -> $type {
                self.host().fetch_sub(value, O::UPDATE)
            }
        }
    )* };
}

impl<T> AtomicType for *mut T {}

atomic! {
    bool => host::AtomicBool,
    u32 => host::AtomicU32,
    u64 => host::AtomicU64,
    usize => host::AtomicUsize,
}

arithmetic!(u32, u64, usize);
