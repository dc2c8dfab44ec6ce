// SPDX-License-Identifier: GPL-2.0

//! Windows of registers: the interface of `rust/io_window.rs`, over the machine's devices.

use crate::addr::PhysAddr;
use kernel::{
    io::register::{
        FixedRegister,
        FixedRegisterLoc, //
    },
    machine::{
        self,
        Registers, //
    },
    prelude::*, //
};
use std::sync::Arc;

/// A word that registers are read and written with.
pub trait Word: Copy {
    /// The word of these bits.
    fn from_bits(bits: u64) -> Self;

    /// The word's bits.
    fn bits(self) -> u64;
}

impl Word for u32 {
    fn from_bits(bits: u64) -> Self {
        bits as Self
    }

    fn bits(self) -> u64 {
        self.into()
    }
}

impl Word for u64 {
    fn from_bits(bits: u64) -> Self {
        bits
    }

    fn bits(self) -> u64 {
        self
    }
}

/// A window of registers.
pub struct IoWindow<const SIZE: usize> {
    start: PhysAddr,
    len: usize,
    /// `None` where there is nothing.
    device: Option<Arc<dyn Registers>>,
}

impl<const SIZE: usize> IoWindow<SIZE> {
    /// Maps the `len` bytes of registers from `start` on.
    ///
    /// # Errors
    ///
    /// `EINVAL`: `len` is less than `SIZE`, or the window passes the top of the address space.
    pub fn new(start: PhysAddr, len: usize, _: &CStr) -> Result<Self> {
        if len < SIZE || len == 0 || start.0.checked_add(len as u64).is_none() {
            return Err(EINVAL);
        }
        let device = machine::with(|machine| machine.device(start.0)).flatten();
        Ok(Self { start, len, device })
    }

    /// Physical address of the first register.
    pub fn start(&self) -> PhysAddr {
        self.start
    }

    /// Reads a register, which lies below `SIZE`.
    pub fn read<T>(&self, _: FixedRegisterLoc<T>) -> T
    where
        T: FixedRegister,
        T::Storage: Word,
    {
        T::Storage::from_bits(self.get(Self::place::<T>(), size_of::<T::Storage>())).into()
    }

    /// Writes a register, which lies below `SIZE`.
    pub fn write_reg<T>(&self, value: T)
    where
        T: FixedRegister + Into<T::Storage>,
        T::Storage: Word,
    {
        let bits = value.into().bits();
        self.put(Self::place::<T>(), size_of::<T::Storage>(), bits);
    }

    /// Reads the 32 bits at `offset`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: `offset` is no multiple of the word's size, or the word is not in the window.
    pub fn try_read32(&self, offset: usize) -> Result<u32> {
        Ok(self.get(self.try_place(offset, 4)?, 4) as u32)
    }

    /// Reads the 64 bits at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`try_read32`](Self::try_read32).
    pub fn try_read64(&self, offset: usize) -> Result<u64> {
        Ok(self.get(self.try_place(offset, 8)?, 8))
    }

    /// Writes the 32 bits at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`try_read32`](Self::try_read32).
    pub fn try_write32(&self, value: u32, offset: usize) -> Result {
        self.put(self.try_place(offset, 4)?, 4, value.into());
        Ok(())
    }

    /// Writes the 64 bits at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`try_read32`](Self::try_read32).
    pub fn try_write64(&self, value: u64, offset: usize) -> Result {
        self.put(self.try_place(offset, 8)?, 8, value);
        Ok(())
    }

    /// Where register `T` is. The kernel's does not build if that is outside.
    fn place<T: FixedRegister>() -> usize {
        let size = size_of::<T::Storage>();
        assert!(T::OFFSET % size == 0 && T::OFFSET + size <= SIZE);
        T::OFFSET
    }

    fn try_place(&self, offset: usize, size: usize) -> Result<usize> {
        let end = offset.checked_add(size).ok_or(EINVAL)?;
        if end > self.len || offset % size != 0 {
            return Err(EINVAL);
        }
        Ok(offset)
    }

    fn get(&self, offset: usize, size: usize) -> u64 {
        match &self.device {
            Some(device) => device.read(offset, size),
            None => u64::MAX,
        }
    }

    fn put(&self, offset: usize, size: usize, value: u64) {
        if let Some(device) = &self.device {
            device.write(offset, size, value);
        }
    }
}
