// SPDX-License-Identifier: GPL-2.0

//! An interrupt for a unit that is no device: a vector of the CPUs, and the message that raises
//! it.
//!
//! A remapping unit sends its events as messages: it writes a 32-bit value to an address, and both
//! are programmed into the unit's own registers. The kernel's MSI interfaces serve PCI functions
//! and bound platform devices only, so that a small interrupt domain on top of the CPUs' vectors
//! is made for each such unit. Interrupts can be moved between CPUs as usual: the message is then
//! written anew.
//!
//! C header: [`include/linux/irqdomain.h`](srctree/include/linux/irqdomain.h)

use crate::compat::irq_return::irq_return;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_void, //
    },
    irq::IrqReturn,
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// What a unit must write, and where to, to raise the interrupt.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Low half of the address.
    pub address_low: u32,
    /// High half of the address.
    pub address_high: u32,
    /// The value.
    pub data: u32,
}

/// A source of one interrupt.
///
/// All methods may be called in any context, with interrupts disabled; those other than `handle`
/// are serialised.
pub trait Vector: Send + Sync + 'static {
    /// Programs the message into the unit. The interrupt is masked, or its CPU changes.
    fn write_message(&self, message: Message);

    /// Stops the unit from sending the message.
    fn mask(&self);

    /// Lets the unit send the message.
    fn unmask(&self);

    /// Handles the interrupt. Runs in hard interrupt context.
    fn handle(&self) -> IrqReturn;
}

/// The callbacks of `struct rust_iommu_vector`.
#[repr(C)]
struct Operations {
    write_message: unsafe extern "C" fn(*const c_void, *const Message),
    mask: unsafe extern "C" fn(*const c_void),
    unmask: unsafe extern "C" fn(*const c_void),
}

/// `struct rust_iommu_vector` of the C helper.
#[repr(C)]
struct Raw {
    _opaque: [u8; 0],
}

extern "C" {
    fn rust_iommu_helper_vector_alloc(
        name: *const c_char,
        operations: *const Operations,
        data: *const c_void,
    ) -> *mut Raw;
    fn rust_iommu_helper_vector_irq(vector: *const Raw) -> c_uint;
    fn rust_iommu_helper_vector_free(vector: *mut Raw);
}

/// An interrupt of its own, not requested yet.
///
/// # Invariants
///
/// `0` came from `rust_iommu_helper_vector_alloc()`, and nothing else frees it.
struct Line(NonNull<Raw>);

impl Line {
    /// # Safety
    ///
    /// The operations may be called with `data` until the line is dropped.
    unsafe fn new(
        name: &CStr,
        operations: &'static Operations,
        data: *const c_void,
    ) -> Result<Self> {
        // SAFETY: The name is copied; by the requirement above.
        let raw = from_err_ptr(unsafe {
            rust_iommu_helper_vector_alloc(name.as_char_ptr(), operations, data)
        })?;
        // INVARIANT: The allocation succeeded.
        NonNull::new(raw).map(Self).ok_or(ENOMEM)
    }

    fn irq(&self) -> c_uint {
        // SAFETY: By the type invariant.
        unsafe { rust_iommu_helper_vector_irq(self.0.as_ptr()) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { rust_iommu_helper_vector_free(self.0.as_ptr()) }
    }
}

/// A requested interrupt: `T` handles it until the registration is dropped.
///
/// # Invariants
///
/// The interrupt of `line` was requested with `handler`'s address as its cookie, and is freed by
/// `drop` only.
pub struct Registration<T: Vector> {
    /// Dropped before `handler`, which its callbacks use.
    line: Line,
    handler: Arc<T>,
    /// What `/proc/interrupts` shows for as long as the interrupt is requested.
    _name: CString,
}

// SAFETY: Interrupts may be freed from any thread, and `T` may be shared.
unsafe impl<T: Vector> Send for Registration<T> {}
// SAFETY: Nothing is done through a shared reference.
unsafe impl<T: Vector> Sync for Registration<T> {}

impl<T: Vector> Registration<T> {
    /// Gets a vector, programs the message, requests the interrupt as `name`, and unmasks it.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`.
    /// - `ENOSPC`: the CPUs have no vector left.
    pub fn new(name: CString, handler: Arc<T>) -> Result<Self> {
        let cookie = Arc::as_ptr(&handler).cast::<c_void>();
        // SAFETY: `handler` outlives the line, and the callbacks take a `T`.
        let line = unsafe { Line::new(&name, Callbacks::<T>::OPERATIONS, cookie)? };
        // SAFETY: The handler takes a `T`, which lives until after `free_irq()`, and so does the
        // name.
        to_result(unsafe {
            bindings::request_threaded_irq(
                line.irq(),
                Some(Callbacks::<T>::handle),
                None,
                bindings::IRQF_NO_THREAD as usize,
                name.as_char_ptr(),
                cookie.cast_mut(),
            )
        })?;
        // INVARIANT: The request succeeded.
        Ok(Self {
            line,
            handler,
            _name: name,
        })
    }
}

impl<T: Vector> Drop for Registration<T> {
    fn drop(&mut self) {
        let cookie = Arc::as_ptr(&self.handler).cast_mut();
        // SAFETY: By the type invariant. This masks the interrupt and waits for its handler.
        unsafe { bindings::free_irq(self.line.irq(), cookie.cast()) };
    }
}

/// How C calls a `T`.
struct Callbacks<T>(PhantomData<T>);

impl<T: Vector> Callbacks<T> {
    const OPERATIONS: &'static Operations = &Operations {
        write_message: Self::write_message,
        mask: Self::mask,
        unmask: Self::unmask,
    };

    /// # Safety
    ///
    /// `data` points to a live `T`, `message` to a message.
    unsafe extern "C" fn write_message(data: *const c_void, message: *const Message) {
        // SAFETY: By the requirement above: the `T` of a registration outlives its callbacks.
        let vector = unsafe { &*data.cast::<T>() };
        // SAFETY: By the requirement above.
        vector.write_message(unsafe { *message });
    }

    /// # Safety
    ///
    /// `data` points to a live `T`.
    unsafe extern "C" fn mask(data: *const c_void) {
        // SAFETY: As in `write_message`.
        unsafe { &*data.cast::<T>() }.mask();
    }

    /// # Safety
    ///
    /// `data` points to a live `T`.
    unsafe extern "C" fn unmask(data: *const c_void) {
        // SAFETY: As in `write_message`.
        unsafe { &*data.cast::<T>() }.unmask();
    }

    /// # Safety
    ///
    /// `cookie` points to a live `T`.
    unsafe extern "C" fn handle(_irq: c_int, cookie: *mut c_void) -> bindings::irqreturn_t {
        // SAFETY: By the requirement above: the `T` of a registration outlives its interrupt.
        irq_return(unsafe { &*cookie.cast::<T>() }.handle())
    }
}
