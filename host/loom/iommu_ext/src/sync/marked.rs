// SPDX-License-Identifier: GPL-2.0

//! Reads and writes of shared words: the interface of `rust/sync/marked.rs`.

pub use kernel::sync::barrier::smp_mb;
use kernel::sync::{
    atomic::{
        Acquire,
        Atomic,
        AtomicType,
        Relaxed, //
    },
    barrier::address_dependency, //
};

/// `READ_ONCE()`.
pub fn read_once<T: AtomicType>(word: &Atomic<T>) -> T {
    word.load(Relaxed)
}

/// `WRITE_ONCE()`.
pub fn write_once(word: &Atomic<u64>, value: u64) {
    word.store(value, Relaxed);
}

/// `rcu_dereference()`.
pub fn rcu_dereference<T>(pointer: &Atomic<*mut T>) -> *mut T {
    let pointer = read_once(pointer);
    address_dependency();
    pointer
}

/// `smp_load_acquire()`.
pub fn load_acquire(word: &Atomic<u64>) -> u64 {
    word.load(Acquire)
}
