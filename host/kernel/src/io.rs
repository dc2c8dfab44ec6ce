// SPDX-License-Identifier: GPL-2.0

//! Access to registers: the part of the kernel's traits that the sources use, without pointers.

pub use crate::{
    register_macro as register,
    source::{
        poll,
        register, //
    }, //
};

use crate::prelude::*;
use register::LocatedRegister;

/// The kernel's `register!`. A macro that came through `include!` cannot be named by `use`.
#[macro_export]
#[doc(hidden)]
macro_rules! register_macro {
    ($($tokens:tt)*) => { $crate::register! { $($tokens)* } };
}

/// Windows that have registers of type `T`.
pub trait IoCapable<T> {
    /// Reads the register at `address`.
    ///
    /// # Safety
    ///
    /// `address` lies in the window.
    unsafe fn io_read(&self, address: usize) -> T;

    /// Writes the register at `address`.
    ///
    /// # Safety
    ///
    /// `address` lies in the window.
    unsafe fn io_write(&self, value: T, address: usize);
}

/// Where a `T` is.
pub trait IoLoc<T> {
    /// What is read and written there.
    type IoType: Into<T> + From<T>;

    /// Where in the window.
    fn offset(self) -> usize;
}

macro_rules! plain {
    ($($type:ty),*) => { $(
        impl IoLoc<$type> for usize {
            type IoType = $type;

            fn offset(self) -> usize {
                self
            }
        }
    )* };
}

plain!(u32, u64);

/// A window of registers.
pub trait Io {
    /// Where the window begins.
    fn addr(&self) -> usize;

    /// Its size in bytes.
    fn maxsize(&self) -> usize;

    /// Where the register at `offset` is.
    fn io_addr<U>(&self, offset: usize) -> Result<usize> {
        let end = offset.checked_add(size_of::<U>()).ok_or(EINVAL)?;
        if end > self.maxsize() || offset % size_of::<U>() != 0 {
            return Err(EINVAL);
        }
        Ok(self.addr() + offset)
    }

    /// Reads 64 bits.
    fn try_read64(&self, offset: usize) -> Result<u64>
    where
        Self: IoCapable<u64>,
    {
        let address = self.io_addr::<u64>(offset)?;
        // SAFETY: Just checked.
        Ok(unsafe { self.io_read(address) })
    }

    /// Reads 32 bits.
    fn try_read32(&self, offset: usize) -> Result<u32>
    where
        Self: IoCapable<u32>,
    {
        let address = self.io_addr::<u32>(offset)?;
        // SAFETY: Just checked.
        Ok(unsafe { self.io_read(address) })
    }

    /// Writes 32 bits.
    fn try_write32(&self, value: u32, offset: usize) -> Result
    where
        Self: IoCapable<u32>,
    {
        let address = self.io_addr::<u32>(offset)?;
        // SAFETY: Just checked.
        unsafe { self.io_write(value, address) };
        Ok(())
    }

    /// Reads a register.
    fn read<T, L>(&self, location: L) -> T
    where
        L: IoLoc<T>,
        Self: IoKnownSize + IoCapable<L::IoType>,
    {
        let address = self.io_addr_assert::<L::IoType>(location.offset());
        // SAFETY: Just checked.
        unsafe { self.io_read(address) }.into()
    }

    /// Writes a register.
    fn write_reg<T, L, V>(&self, value: V)
    where
        L: IoLoc<T>,
        V: LocatedRegister<Location = L, Value = T>,
        Self: IoKnownSize + IoCapable<L::IoType>,
    {
        let (location, value) = value.into_io_op();
        let address = self.io_addr_assert::<L::IoType>(location.offset());
        // SAFETY: Just checked.
        unsafe { self.io_write(value.into(), address) }
    }
}

/// A window of at least a known size.
pub trait IoKnownSize: Io {
    /// That size.
    const MIN_SIZE: usize;

    /// Where the register at `offset` is.
    fn io_addr_assert<U>(&self, offset: usize) -> usize {
        assert!(offset % size_of::<U>() == 0 && offset + size_of::<U>() <= Self::MIN_SIZE);
        self.addr() + offset
    }
}
