// SPDX-License-Identifier: GPL-2.0

//! A window of device registers at a known physical address.
//!
//! The `kernel` crate maps registers that are a resource of a bound device. The units that ACPI
//! tables describe by address only have no such device.
//!
//! C headers: [`include/linux/ioport.h`](srctree/include/linux/ioport.h),
//! [`include/asm-generic/io.h`](srctree/include/asm-generic/io.h)

use crate::addr::PhysAddr;
use kernel::{
    bindings,
    build_assert::build_assert,
    ffi::c_void,
    io::{
        Io,
        IoCapable,
        IoKnownSize, //
    },
    prelude::*,
    str::CString, //
};

/// Physical addresses that nobody else in the kernel may claim.
///
/// # Invariants
///
/// `request_mem_region(start, len)` succeeded, and nothing else releases the region.
struct Claim {
    start: PhysAddr,
    len: usize,
    /// The kernel keeps its address. A copy of our own: a window that is leaked, as the hardware
    /// does not stop, outlives the module whose constant the name is.
    _name: CString,
}

impl Claim {
    fn new(start: PhysAddr, len: usize, name: &CStr) -> Result<Self> {
        let name = CString::try_from(name)?;
        // SAFETY: Any region may be asked for; the name is freed after the region was released.
        let region =
            unsafe { bindings::request_mem_region(start.0, len as u64, name.as_char_ptr()) };
        if region.is_null() {
            return Err(EBUSY);
        }
        // INVARIANT: The request succeeded.
        Ok(Self {
            start,
            len,
            _name: name,
        })
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
/// The accessors are those of [`Io`].
///
/// # Invariants
///
/// The claimed region, of at least `SIZE` bytes, is mapped at `addr`, and nothing else unmaps it.
pub struct IoWindow<const SIZE: usize> {
    addr: usize,
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
    /// - `ENOMEM`: no room to map it, or no memory.
    pub fn new(start: PhysAddr, len: usize, name: &CStr) -> Result<Self> {
        if len < SIZE || len == 0 || start.0.checked_add(len as u64).is_none() {
            return Err(EINVAL);
        }
        let claim = Claim::new(start, len, name)?;
        // SAFETY: The region is not empty and ours.
        let virt = unsafe { bindings::ioremap(start.0, len) };
        if virt.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Just mapped, and `len` was checked.
        Ok(Self {
            addr: virt as usize,
            claim,
        })
    }

    /// Physical address of the first register.
    pub fn start(&self) -> PhysAddr {
        self.claim.start
    }
}

impl<const SIZE: usize> Io for IoWindow<SIZE> {
    #[inline]
    fn addr(&self) -> usize {
        self.addr
    }

    #[inline]
    fn maxsize(&self) -> usize {
        self.claim.len
    }
}

impl<const SIZE: usize> IoKnownSize for IoWindow<SIZE> {
    const MIN_SIZE: usize = SIZE;

    // As the provided method, but with an addition that cannot panic: mappings do not wrap.
    #[inline(always)]
    fn io_addr_assert<U>(&self, offset: usize) -> usize {
        build_assert!(offset % size_of::<U>() == 0 && offset <= SIZE - size_of::<U>());
        self.addr.wrapping_add(offset)
    }
}

impl<const SIZE: usize> IoCapable<u32> for IoWindow<SIZE> {
    #[inline]
    unsafe fn io_read(&self, address: usize) -> u32 {
        // SAFETY: The caller passes the address of a register of this window.
        unsafe { bindings::readl(address as *const c_void) }
    }

    #[inline]
    unsafe fn io_write(&self, value: u32, address: usize) {
        // SAFETY: As above.
        unsafe { bindings::writel(value, address as *mut c_void) }
    }
}

impl<const SIZE: usize> IoCapable<u64> for IoWindow<SIZE> {
    #[inline]
    unsafe fn io_read(&self, address: usize) -> u64 {
        // SAFETY: The caller passes the address of a register of this window.
        unsafe { bindings::readq(address as *const c_void) }
    }

    #[inline]
    unsafe fn io_write(&self, value: u64, address: usize) {
        // SAFETY: As above.
        unsafe { bindings::writeq(value, address as *mut c_void) }
    }
}

impl<const SIZE: usize> Drop for IoWindow<SIZE> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The claim is released after this, with the fields.
        unsafe { bindings::iounmap(self.addr as *mut c_void) }
    }
}
