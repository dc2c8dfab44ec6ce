// SPDX-License-Identifier: GPL-2.0

//! Windows of registers: the interface of `rust/io_window.rs`, over the machine's devices.

use crate::addr::PhysAddr;
use kernel::{
    io::{
        Io,
        IoCapable,
        IoKnownSize, //
    },
    machine::{
        self,
        Registers, //
    },
    prelude::*, //
};
use std::sync::Arc;

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

impl<const SIZE: usize> Io for IoWindow<SIZE> {
    fn addr(&self) -> usize {
        0
    }

    fn maxsize(&self) -> usize {
        self.len
    }
}

impl<const SIZE: usize> IoKnownSize for IoWindow<SIZE> {
    const MIN_SIZE: usize = SIZE;
}

impl<const SIZE: usize> IoCapable<u32> for IoWindow<SIZE> {
    unsafe fn io_read(&self, address: usize) -> u32 {
        self.get(address, 4) as u32
    }

    unsafe fn io_write(&self, value: u32, address: usize) {
        self.put(address, 4, value.into());
    }
}

impl<const SIZE: usize> IoCapable<u64> for IoWindow<SIZE> {
    unsafe fn io_read(&self, address: usize) -> u64 {
        self.get(address, 8)
    }

    unsafe fn io_write(&self, value: u64, address: usize) {
        self.put(address, 8, value);
    }
}
