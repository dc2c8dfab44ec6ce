// SPDX-License-Identifier: GPL-2.0

//! Memory: that of the other host tests, and boxes whose memory is never used again.

pub use host::alloc::{
    AllocError,
    Flags, //
};

use std::{
    mem::ManuallyDrop,
    ops::Deref, //
};

/// A box. What is in it is dropped, but its memory is not freed: who looks there too late finds
/// what was dropped.
pub struct KBox<T>(ManuallyDrop<Box<T>>);

impl<T> KBox<T> {
    /// Puts `value` into memory of its own.
    pub fn new(value: T, _: Flags) -> Result<Self, AllocError> {
        Ok(Self(ManuallyDrop::new(Box::new(value))))
    }

    /// Gives the value away as a pointer.
    pub fn into_raw(this: Self) -> *mut T {
        let mut this = ManuallyDrop::new(this);
        &mut **this.0
    }

    /// Takes a value back.
    ///
    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw), and nobody took it back since.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: The memory is that of a `Box`.
        Self(ManuallyDrop::new(unsafe { Box::from_raw(raw) }))
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        let value: *mut T = &mut **self.0;
        // SAFETY: The value is not used after this, and the box that holds it is never dropped.
        unsafe { value.drop_in_place() }
    }
}
