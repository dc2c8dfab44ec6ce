// SPDX-License-Identifier: GPL-2.0

//! A lock for what hard interrupt handlers share with the rest.
//!
//! [`IrqLock`] is a `raw_spinlock_t` that is taken with interrupts disabled. It spins on every
//! kernel (also on `PREEMPT_RT`, where a `spinlock_t` sleeps), and so may be taken in any context
//! but an NMI. Hold it for a few instructions only.
//!
//! The `kernel` crate's `SpinLock` leaves interrupts as they are: a handler that takes it on the
//! CPU that holds it would spin for ever.
//!
//! Guards must be dropped in the reverse order of their locking, since each one restores the
//! interrupt state that it found.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_ulong,
        c_void, //
    },
    sync::lock::{
        Backend,
        Guard,
        Lock, //
    }, //
};

extern "C" {
    fn rust_iommu_helper_raw_spin_lock_init(
        lock: *mut bindings::raw_spinlock_t,
        name: *const c_char,
        key: *mut c_void,
    );
    fn rust_iommu_helper_raw_spin_trylock_irqsave(
        lock: *mut bindings::raw_spinlock_t,
        flags: *mut c_ulong,
    ) -> bool;
    fn rust_iommu_helper_raw_spin_assert_held(lock: *mut bindings::raw_spinlock_t);
}

/// A spinlock for any context; see the [module](self).
pub type IrqLock<T> = Lock<T, IrqBackend>;

/// The guard of an [`IrqLock`]: unlocks, and restores interrupts, when dropped.
pub type IrqGuard<'a, T> = Guard<'a, T, IrqBackend>;

/// Creates an [`IrqLock`] initialiser with the given name (or one made from the source line) and
/// a lockdep class of its own.
#[macro_export]
macro_rules! new_irq_lock {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::irq_lock::IrqLock::new(
            $inner,
            ::kernel::optional_name!($($name)?),
            ::kernel::static_lock_class!(),
        )
    };
}

/// What makes a [`Lock`] an [`IrqLock`].
pub struct IrqBackend;

// SAFETY: A raw spinlock admits one CPU at a time, and as interrupts are off while it is held, no
// other code runs on that CPU. `relock` is the default, which calls `lock`.
unsafe impl Backend for IrqBackend {
    type State = bindings::raw_spinlock_t;
    /// Interrupt state before the lock was taken.
    type GuardState = c_ulong;

    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: The caller passes a slot to write, and a name and a key that live for ever.
        unsafe { rust_iommu_helper_raw_spin_lock_init(ptr, name, key.cast()) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: The caller has initialised the lock.
        unsafe { bindings::_raw_spin_lock_irqsave(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, guard_state: &Self::GuardState) {
        // SAFETY: The caller owns the lock, and `guard_state` is what `lock` returned.
        unsafe { bindings::_raw_spin_unlock_irqrestore(ptr, *guard_state) }
    }

    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        let mut flags = 0;
        // SAFETY: The caller has initialised the lock; `flags` is valid for a write.
        let locked = unsafe { rust_iommu_helper_raw_spin_trylock_irqsave(ptr, &mut flags) };
        locked.then_some(flags)
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        if cfg!(CONFIG_LOCKDEP) {
            // SAFETY: The caller has initialised the lock.
            unsafe { assert_is_held(ptr) }
        }
    }
}

/// # Safety
///
/// The lock at `ptr` is initialised.
unsafe fn assert_is_held(ptr: *mut bindings::raw_spinlock_t) {
    // SAFETY: By the requirement above.
    unsafe { rust_iommu_helper_raw_spin_assert_held(ptr) }
}
