// SPDX-License-Identifier: GPL-2.0

//! Drivers of PCI functions: which are bound, whether they can be released, and having them bind
//! again.
//!
//! A driver may unbind, and its module go, at any moment: names are copied with the device locked.

use super::{
    all,
    Function, //
};
use crate::{
    c_str,
    vec::KVecExt, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::{
        c_char,
        c_void, //
    },
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};

#[allow(
    improper_ctypes,
    reason = "without lockdep, C structs contain empty ones"
)]
extern "C" {
    fn rust_iommu_helper_driver_name(dev: *mut bindings::device) -> *mut c_char;
    fn rust_iommu_helper_why_busy(pdev: *mut bindings::pci_dev) -> *mut c_char;
}

impl Function {
    /// Whether a driver is bound, or about to be. It may be another one by the time of return.
    pub fn has_driver(&self) -> bool {
        // SAFETY: By the type invariant; the field is one word, which the driver core may change
        // meanwhile. The pointer is not followed.
        let driver = unsafe { (&raw const (*self.as_device()).driver).read_volatile() };
        !driver.is_null()
    }

    /// The name of the bound driver; `None` if none is bound. Takes the device's lock.
    pub fn driver_name(&self) -> Option<CString> {
        // SAFETY: By the type invariant. The helper returns null or a copy of the name.
        unsafe { take(rust_iommu_helper_driver_name(self.as_device())) }.unwrap_or(None)
    }

    /// Why the bound driver cannot be taken off without harm, in words that follow the device's
    /// name; `None` if it can be, or none is bound. Takes the device's lock.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is a reason, and no memory for it.
    pub fn why_busy(&self) -> Result<Option<CString>> {
        // SAFETY: By the type invariant.
        let why = from_err_ptr(unsafe { rust_iommu_helper_why_busy(self.as_raw()) })?;
        // SAFETY: The helper returned null or a string of its own.
        unsafe { take(why) }
    }

    /// Takes the driver off, if one is bound. Sleeps until the driver has let go.
    pub fn release_driver(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::device_release_driver(self.as_device()) };
    }

    /// Has a driver that matches bind. Not finding one is no error.
    pub fn attach_driver(&self) {
        // SAFETY: By the type invariant. The driver core logs what goes wrong.
        let _ = unsafe { bindings::device_attach(self.as_device()) };
    }
}

/// The functions that have a driver bound, bridges before what is behind them.
///
/// # Errors
///
/// `ENOMEM`.
pub fn bound_functions() -> Result<KVec<ARef<Function>>> {
    let mut bound = KVec::new();
    for function in all() {
        if function.has_driver() {
            bound.try_push(function, GFP_KERNEL)?;
        }
    }
    Ok(bound)
}

/// Makes a string of ours of one that C has allocated; `None` if there is none.
///
/// # Errors
///
/// `ENOMEM`.
///
/// # Safety
///
/// `text` is null, or came from `kmalloc()` and nobody else frees it.
unsafe fn take(text: *mut c_char) -> Result<Option<CString>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: By the requirement, a string that lives until it is freed below.
    let copy = CString::try_from(unsafe { c_str::from_char_ptr(text) });
    // SAFETY: By the requirement, it is ours to free.
    unsafe { bindings::kfree(text.cast::<c_void>()) };
    Ok(Some(copy?))
}
