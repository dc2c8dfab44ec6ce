// SPDX-License-Identifier: GPL-2.0

//! Access control (ACS) that is turned on again where a function has lost it.
//!
//! A function loses its ACS control bits when it is reset, by whatever way: sysfs, VFIO (which
//! resets a function when it is opened), error recovery, the reset of the bus it is on; and when
//! it loses power, in system sleep or while it is suspended at run time. Each of these ends in
//! `pci_restore_state()` of the function, before a driver uses it again. For a port, that is before
//! the functions behind it are restored. `pci_restore_state()` calls `pci_enable_acs()`. That
//! function sets the bits if an IOMMU driver asked for ACS before the buses were scanned, then
//! applies what the command line says, and writes the register.
//!
//! We cannot ask any more when a module is loaded. So we set the bits before `pci_enable_acs()`
//! reads them: a kprobe on its first instruction calls [`Function::enable_acs`]. The command line
//! keeps the last word.
//!
//! To be removed when `pci_request_acs()` is exported to modules, or when the kernel restores what
//! it finds in the register before a reset.

use super::Function;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

/// `struct rust_iommu_acs_probe`.
#[repr(C)]
struct Raw {
    _opaque: [u8; 0],
}

#[allow(
    improper_ctypes,
    reason = "without lockdep, C structs contain empty ones"
)]
extern "C" {
    fn rust_iommu_helper_acs_probe_register(
        handler: unsafe extern "C" fn(*mut bindings::pci_dev),
    ) -> *mut Raw;
    fn rust_iommu_helper_acs_probe_unregister(probe: *mut Raw);
}

/// Turns ACS on whenever the kernel is about to restore it, while this lives.
///
/// # Invariants
///
/// The pointer came from `rust_iommu_helper_acs_probe_register()`, and nothing else unregisters it.
pub struct KeptAcs(NonNull<Raw>);

// SAFETY: A kprobe may be unregistered from any thread.
unsafe impl Send for KeptAcs {}
// SAFETY: Nothing is done through a shared reference.
unsafe impl Sync for KeptAcs {}

impl KeptAcs {
    /// Begins.
    ///
    /// # Errors
    ///
    /// - `EOPNOTSUPP`: the kernel has no kprobes.
    /// - `ENOENT`: it has no function of that name.
    /// - `ENOMEM`.
    pub fn new() -> Result<Self> {
        // SAFETY: The callback takes what the function that is probed takes first.
        let raw = from_err_ptr(unsafe { rust_iommu_helper_acs_probe_register(enable_callback) })?;
        // INVARIANT: Just registered.
        Ok(Self(NonNull::new(raw).ok_or(ENOMEM)?))
    }
}

impl Drop for KeptAcs {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The call waits for callbacks that are under way.
        unsafe { rust_iommu_helper_acs_probe_unregister(self.0.as_ptr()) };
    }
}

/// `pci_enable_acs()` is about to run. Preemption is off.
///
/// # Safety
///
/// Called with the argument of `pci_enable_acs()`, whose caller holds a reference to the function.
unsafe extern "C" fn enable_callback(pdev: *mut bindings::pci_dev) {
    // SAFETY: By the requirement.
    unsafe { Function::from_raw(pdev) }.enable_acs();
}
