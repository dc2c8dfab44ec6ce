// SPDX-License-Identifier: GPL-2.0

//! Types around those of C.

use std::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// Memory that C reads and writes.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Opaque<T> {
    /// Not initialised.
    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Where it is.
    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}
