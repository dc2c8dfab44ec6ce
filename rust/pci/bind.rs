// SPDX-License-Identifier: GPL-2.0

//! Drivers of PCI functions: which are bound, whether they can be released, and having them bind
//! again.

use super::{
    all,
    Function, //
};
use kernel::{
    bindings,
    ffi::c_char,
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};

#[allow(improper_ctypes, reason = "without lockdep, C structs contain empty ones")]
extern "C" {
    fn rust_iommu_helper_device_in_use(dev: *mut bindings::device) -> *const c_char;
}

/// Why a driver cannot be taken off a function.
pub enum Busy {
    /// The driver does not allow it (`suppress_bind_attrs`).
    Driver,
    /// This disk, partition or network interface of the function is in use.
    InUse(CString),
}

impl Function {
    /// The name of the bound driver; `None` if none is bound.
    pub fn driver_name(&self) -> Option<&CStr> {
        // SAFETY: By the type invariant.
        let driver = unsafe { (*self.as_device()).driver };
        if driver.is_null() {
            return None;
        }
        // SAFETY: A bound driver is registered, and registered drivers have names.
        Some(unsafe { CStr::from_char_ptr((*driver).name) })
    }

    /// Why the bound driver cannot be taken off; `None` if it can be, or none is bound.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn busy(&self) -> Result<Option<Busy>> {
        let dev = self.as_device();
        // SAFETY: By the type invariant.
        let driver = unsafe { (*dev).driver };
        if driver.is_null() {
            return Ok(None);
        }
        // SAFETY: A bound driver is registered.
        if unsafe { (*driver).suppress_bind_attrs } {
            return Ok(Some(Busy::Driver));
        }
        // SAFETY: By the type invariant.
        let user = unsafe { rust_iommu_helper_device_in_use(dev) };
        if user.is_null() {
            return Ok(None);
        }
        // SAFETY: The helper returns the name of a child device that is in use.
        let name = CString::try_from(unsafe { CStr::from_char_ptr(user) })?;
        Ok(Some(Busy::InUse(name)))
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
        if function.driver_name().is_some() {
            bound.push(function, GFP_KERNEL)?;
        }
    }
    Ok(bound)
}
