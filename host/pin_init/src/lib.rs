// SPDX-License-Identifier: GPL-2.0

//! Stands in for the `pin_init` crate on the host.
//!
//! There, nothing that is under test minds being moved before it is shared: an initialiser is a
//! function that returns the value.

use std::{
    convert::Infallible,
    pin::Pin, //
};

/// What makes a value where it is to stay.
pub trait PinInit<T, E = Infallible>: Sized {
    /// Makes the value.
    fn make(self) -> Result<T, E>;
}

impl<T, F: FnOnce() -> T> PinInit<T> for F {
    fn make(self) -> Result<T, Infallible> {
        Ok(self())
    }
}

/// The value that an initialiser makes that cannot fail.
pub fn made<T>(init: impl PinInit<T>) -> T {
    match init.make() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// What is to be done when a value is dropped that is not to be moved.
pub trait PinnedDrop {
    /// To be called once, by [`drop_pinned`].
    fn drop(self: Pin<&mut Self>);
}

/// What `#[pinned_drop]` makes of [`Drop::drop`].
pub fn drop_pinned<T: PinnedDrop>(value: &mut T) {
    // SAFETY: The value is dropped, and not moved any more.
    unsafe { Pin::new_unchecked(value) }.drop();
}

/// Types for which all zeroes are a value.
///
/// # Safety
///
/// They are.
pub unsafe trait Zeroable: Sized {
    /// The value of all zeroes.
    fn zeroed() -> Self {
        // SAFETY: By the requirement of the trait.
        unsafe { std::mem::zeroed() }
    }
}

// SAFETY: 0 is a value.
unsafe impl Zeroable for u32 {}
// SAFETY: As above.
unsafe impl Zeroable for u64 {}

/// An initialiser for a struct: fields that are values, and fields that are initialised (`<-`).
#[macro_export]
macro_rules! pin_init {
    ($type:ident { $($fields:tt)* }) => { $crate::pin_init!(@next $type [] $($fields)*) };
    (@next $type:ident [$($done:tt)*]) => { move || $type { $($done)* } };
    (@next $type:ident [$($done:tt)*] $field:ident <- $init:expr $(, $($rest:tt)*)?) => {
        $crate::pin_init!(@next $type [$($done)* $field: $crate::made($init),] $($($rest)*)?)
    };
    (@next $type:ident [$($done:tt)*] $field:ident : $value:expr $(, $($rest:tt)*)?) => {
        $crate::pin_init!(@next $type [$($done)* $field: $value,] $($($rest)*)?)
    };
    (@next $type:ident [$($done:tt)*] $field:ident $(, $($rest:tt)*)?) => {
        $crate::pin_init!(@next $type [$($done)* $field,] $($($rest)*)?)
    };
}
