// SPDX-License-Identifier: GPL-2.0

//! What must be done last when the machine goes to sleep, and first when it wakes.
//!
//! Devices are suspended and resumed in the order of the device tree. Hardware that other devices
//! need for their DMA takes part in none of that: its *core operations* run when all devices sleep,
//! and before any of them wakes.
//!
//! C header: [`include/linux/syscore_ops.h`](srctree/include/linux/syscore_ops.h)

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::Arc, //
};

/// Something that sleeps last and wakes first.
///
/// `suspend` and `resume` run with interrupts off, while no other CPU runs; `shutdown` may find
/// interrupts on, and other CPUs at work. None of them may sleep.
pub trait CoreOperations: Send + Sync + 'static {
    /// All devices sleep, and the machine is about to.
    ///
    /// # Errors
    ///
    /// The machine does not go to sleep then.
    fn suspend(&self) -> Result;

    /// The machine wakes, and no device does yet.
    fn resume(&self);

    /// The machine is about to stop, to start again, or to start another kernel.
    fn shutdown(&self);
}

/// `struct syscore_ops`.
#[repr(C)]
struct Operations {
    suspend: unsafe extern "C" fn(*mut c_void) -> c_int,
    resume: unsafe extern "C" fn(*mut c_void),
    shutdown: unsafe extern "C" fn(*mut c_void),
}

/// `struct syscore`.
#[repr(C)]
struct Raw {
    _opaque: [u8; 0],
}

extern "C" {
    fn rust_iommu_helper_syscore_register(
        operations: *const Operations,
        data: *mut c_void,
    ) -> *mut Raw;
    fn rust_iommu_helper_syscore_unregister(syscore: *mut Raw);
}

/// Has the core operations of a `T` called, until it is dropped.
///
/// # Invariants
///
/// `raw` came from `rust_iommu_helper_syscore_register()` with the address of `operations`, and
/// nothing else unregisters it.
pub struct Registration<T: CoreOperations> {
    raw: NonNull<Raw>,
    _operations: Arc<T>,
}

// SAFETY: Core operations may be unregistered from any thread, and `T` may be shared.
unsafe impl<T: CoreOperations> Send for Registration<T> {}
// SAFETY: Nothing is done through a shared reference.
unsafe impl<T: CoreOperations> Sync for Registration<T> {}

impl<T: CoreOperations> Registration<T> {
    /// Has the operations of `operations` called: before those registered earlier when the machine
    /// goes to sleep, after them when it wakes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(operations: Arc<T>) -> Result<Self> {
        let data = Arc::as_ptr(&operations).cast_mut().cast();
        // SAFETY: The table is never changed, and its functions take a `T`, which lives until
        // after they are unregistered.
        let raw = unsafe { rust_iommu_helper_syscore_register(Callbacks::<T>::OPERATIONS, data) };
        // INVARIANT: Just registered.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            _operations: operations,
        })
    }
}

impl<T: CoreOperations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { rust_iommu_helper_syscore_unregister(self.raw.as_ptr()) }
    }
}

/// How C calls a `T`.
struct Callbacks<T>(PhantomData<T>);

impl<T: CoreOperations> Callbacks<T> {
    const OPERATIONS: &'static Operations = &Operations {
        suspend: Self::suspend,
        resume: Self::resume,
        shutdown: Self::shutdown,
    };

    /// # Safety
    ///
    /// `data` points to a live `T`.
    unsafe extern "C" fn suspend(data: *mut c_void) -> c_int {
        // SAFETY: By the requirement above: the `T` of a registration outlives it.
        match unsafe { &*data.cast::<T>() }.suspend() {
            Ok(()) => 0,
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `data` points to a live `T`.
    unsafe extern "C" fn resume(data: *mut c_void) {
        // SAFETY: As in `suspend`.
        unsafe { &*data.cast::<T>() }.resume();
    }

    /// # Safety
    ///
    /// `data` points to a live `T`.
    unsafe extern "C" fn shutdown(data: *mut c_void) {
        // SAFETY: As in `suspend`.
        unsafe { &*data.cast::<T>() }.shutdown();
    }
}
