// SPDX-License-Identifier: GPL-2.0

//! A window of device registers at a known physical address.
//!
//! The `kernel` crate maps registers that are a resource of a bound device. The units that ACPI
//! tables describe by address only have no such device.
//!
//! C headers: [`include/linux/ioport.h`](srctree/include/linux/ioport.h),
//! [`include/asm-generic/io.h`](srctree/include/asm-generic/io.h)

use crate::addr::PhysAddr;
use core::marker::PhantomData;
use kernel::{
    bindings,
    build_assert::build_assert,
    ffi::c_void,
    io::register::{
        FixedRegister,
        FixedRegisterLoc, //
    },
    prelude::*,
    str::CString, //
};

/// Where a register of type `W` is.
///
/// # Invariants
///
/// `addr` is a multiple of the size of `W`, and the `W` there lies in a window that is mapped
/// during `'a`.
pub struct Place<'a, W> {
    addr: usize,
    _window: PhantomData<(&'a (), W)>,
}

/// A word that registers are read and written with.
pub trait Word: Copy {
    /// Reads the register.
    fn read(from: Place<'_, Self>) -> Self;

    /// Writes the register.
    fn write(self, to: Place<'_, Self>);
}

impl Word for u32 {
    #[inline]
    fn read(from: Place<'_, Self>) -> Self {
        // SAFETY: By the invariant of `Place`.
        unsafe { bindings::readl(from.addr as *const c_void) }
    }

    #[inline]
    fn write(self, to: Place<'_, Self>) {
        // SAFETY: As above.
        unsafe { bindings::writel(self, to.addr as *mut c_void) }
    }
}

impl Word for u64 {
    #[inline]
    fn read(from: Place<'_, Self>) -> Self {
        // SAFETY: By the invariant of `Place`.
        unsafe { bindings::readq(from.addr as *const c_void) }
    }

    #[inline]
    fn write(self, to: Place<'_, Self>) {
        // SAFETY: As above.
        unsafe { bindings::writeq(self, to.addr as *mut c_void) }
    }
}

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
/// The accessors have the names of those of the kernel's `Io`, and are not those: `Io` has another
/// shape in 7.2 than in 7.3, whose `Region` is aligned to 4 bytes only, so that no register of 64
/// bits can be read from it without a check at run time.
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

    /// Reads a register. It does not build unless the register lies below `SIZE`.
    #[inline(always)]
    pub fn read<T>(&self, _: FixedRegisterLoc<T>) -> T
    where
        T: FixedRegister,
        T::Storage: Word,
    {
        T::Storage::read(self.place::<T>()).into()
    }

    /// Writes a register. It does not build unless the register lies below `SIZE`.
    #[inline(always)]
    pub fn write_reg<T>(&self, value: T)
    where
        T: FixedRegister + Into<T::Storage>,
        T::Storage: Word,
    {
        value.into().write(self.place::<T>());
    }

    /// Reads the 32 bits at `offset`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: `offset` is no multiple of the word's size, or the word is not in the window.
    #[inline]
    pub fn try_read32(&self, offset: usize) -> Result<u32> {
        Ok(u32::read(self.try_place(offset)?))
    }

    /// Reads the 64 bits at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`try_read32`](Self::try_read32).
    #[inline]
    pub fn try_read64(&self, offset: usize) -> Result<u64> {
        Ok(u64::read(self.try_place(offset)?))
    }

    /// Writes the 32 bits at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`try_read32`](Self::try_read32).
    #[inline]
    pub fn try_write32(&self, value: u32, offset: usize) -> Result {
        value.write(self.try_place(offset)?);
        Ok(())
    }

    /// Writes the 64 bits at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`try_read32`](Self::try_read32).
    #[inline]
    pub fn try_write64(&self, value: u64, offset: usize) -> Result {
        value.write(self.try_place(offset)?);
        Ok(())
    }

    /// Where register `T` is.
    #[inline(always)]
    fn place<T: FixedRegister>(&self) -> Place<'_, T::Storage> {
        let size = size_of::<T::Storage>();
        build_assert!(T::OFFSET % size == 0 && size <= SIZE && T::OFFSET <= SIZE - size);
        // INVARIANT: Just asserted. Mappings do not wrap, and begin with a page.
        Place {
            addr: self.addr.wrapping_add(T::OFFSET),
            _window: PhantomData,
        }
    }

    /// Where the `W` at `offset` is.
    #[inline]
    fn try_place<W: Word>(&self, offset: usize) -> Result<Place<'_, W>> {
        let end = offset.checked_add(size_of::<W>()).ok_or(EINVAL)?;
        if end > self.claim.len || offset % size_of::<W>() != 0 {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked. Mappings do not wrap.
        Ok(Place {
            addr: self.addr.wrapping_add(offset),
            _window: PhantomData,
        })
    }
}

impl<const SIZE: usize> Drop for IoWindow<SIZE> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The claim is released after this, with the fields.
        unsafe { bindings::iounmap(self.addr as *mut c_void) }
    }
}
