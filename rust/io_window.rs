// SPDX-License-Identifier: GPL-2.0

//! A window of device registers at a known physical address.
//!
//! The `kernel` crate maps registers that are a resource of a bound device. The units that ACPI
//! tables describe by address only have no such device.
//!
//! C headers: [`include/linux/ioport.h`](srctree/include/linux/ioport.h),
//! [`include/asm-generic/io.h`](srctree/include/asm-generic/io.h)

use crate::addr::PhysAddr;
use core::ops::Deref;
use kernel::{
    bindings,
    ffi::c_void,
    io::{
        Mmio,
        MmioRaw, //
    },
    prelude::*, //
};

/// Physical addresses that nobody else in the kernel may claim.
///
/// # Invariants
///
/// `request_mem_region(start, len)` succeeded, and nothing else releases the region.
struct Claim {
    start: PhysAddr,
    len: usize,
}

impl Claim {
    fn new(start: PhysAddr, len: usize, name: &'static CStr) -> Result<Self> {
        // SAFETY: Any region may be asked for; the name lives as long as the region may.
        let region = unsafe {
            bindings::request_mem_region(start.0, len as u64, name.as_char_ptr())
        };
        if region.is_null() {
            return Err(EBUSY);
        }
        // INVARIANT: The request succeeded.
        Ok(Self { start, len })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::release_mem_region(self.start.0, self.len as u64) }
    }
}

/// A window of registers, owned and mapped. At least `SIZE` bytes, so that registers below that
/// offset are read and written without a check at run time.
///
/// # Invariants
///
/// `mapping` is what `ioremap()` returned for the claimed region, and nothing else unmaps it.
pub struct IoWindow<const SIZE: usize> {
    mapping: MmioRaw<SIZE>,
    claim: Claim,
}

impl<const SIZE: usize> IoWindow<SIZE> {
    /// Claims and maps the `len` bytes of registers from `start` on. `name` is what
    /// `/proc/iomem` shows.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `len` is less than `SIZE`, or the window passes the top of the address space.
    /// - `EBUSY`: someone else owns part of the window.
    /// - `ENOMEM`: no room to map it.
    pub fn new(start: PhysAddr, len: usize, name: &'static CStr) -> Result<Self> {
        if len < SIZE || len == 0 || start.0.checked_add(len as u64).is_none() {
            return Err(EINVAL);
        }
        let claim = Claim::new(start, len, name)?;
        // SAFETY: The region is not empty and ours.
        let virt = unsafe { bindings::ioremap(start.0, len) };
        if virt.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Just mapped. (`MmioRaw::new` fails for a `len` below `SIZE` only.)
        let mapping = MmioRaw::new(virt as usize, len)?;
        Ok(Self { mapping, claim })
    }

    /// Physical address of the first register.
    pub fn start(&self) -> PhysAddr {
        self.claim.start
    }
}

impl<const SIZE: usize> Deref for IoWindow<SIZE> {
    type Target = Mmio<SIZE>;

    #[inline]
    fn deref(&self) -> &Mmio<SIZE> {
        // SAFETY: By the type invariant the registers are mapped as long as `self` lives.
        unsafe { Mmio::from_raw(&self.mapping) }
    }
}

impl<const SIZE: usize> Drop for IoWindow<SIZE> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The claim is released after this, with the fields.
        unsafe { bindings::iounmap(self.mapping.addr() as *mut c_void) }
    }
}
