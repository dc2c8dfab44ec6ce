// SPDX-License-Identifier: GPL-2.0

//! Accesses to shared words that are one instruction: `READ_ONCE()`, `WRITE_ONCE()`,
//! `smp_load_acquire()` and `rcu_dereference()`; and `smp_mb()`, which is one, too.
//!
//! The methods of [`Atomic`] say the same, but each is a call to C on kernels that do not inline
//! Rust's helpers, as stock ones do not. These are for the paths that every unmap takes.
//!
//! Whoever reads or writes shared words does it through these functions or the methods: on the host
//! others stand in for both, which try all that the CPUs' memory model allows.

#[cfg(target_arch = "x86_64")]
use core::arch::asm;
use core::sync::atomic::{
    compiler_fence,
    Ordering, //
};
use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

/// `READ_ONCE()`: [`Atomic::load`] with `Relaxed`.
#[inline(always)]
pub fn read_once<T: AtomicType>(word: &Atomic<T>) -> T {
    // SAFETY: The pointer comes from a reference, and every access to these words is marked:
    // atomic, or volatile and no wider than a machine word.
    unsafe { word.as_ptr().read_volatile() }
}

/// `WRITE_ONCE()`: [`Atomic::store`] with `Relaxed`.
#[inline(always)]
pub fn write_once(word: &Atomic<u64>, value: u64) {
    // SAFETY: As in `read_once`.
    unsafe { word.as_ptr().write_volatile(value) }
}

/// `rcu_dereference()`: what the pointer leads to is read after the pointer, as its address depends
/// on it.
#[inline(always)]
pub fn rcu_dereference<T>(pointer: &Atomic<*mut T>) -> *mut T {
    read_once(pointer)
}

/// `smp_load_acquire()`: [`Atomic::load`] with `Acquire`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn load_acquire(word: &Atomic<u64>) -> u64 {
    let value = read_once(word);
    // ORDERING: The CPU does no later access before an earlier load. Nor may the compiler.
    compiler_fence(Ordering::Acquire);
    value
}

/// `smp_load_acquire()`: [`Atomic::load`] with `Acquire`.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn load_acquire(word: &Atomic<u64>) -> u64 {
    word.load(kernel::sync::atomic::Acquire)
}

/// `smp_mb()`: a full barrier between CPUs.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn smp_mb() {
    // ORDERING: The kernel's own: a locked instruction, over which the CPU does no access to memory
    // that CPUs share; nor does the compiler, as it may access any. An `mfence`, which Rust's
    // `fence()` is, takes longer.
    // SAFETY: Adding nothing to what is below the stack changes no value.
    unsafe { asm!("lock add dword ptr [rsp - 4], 0") };
}

/// `smp_mb()`: a full barrier between CPUs.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn smp_mb() {
    crate::compat::barrier::smp_mb();
}
