// SPDX-License-Identifier: GPL-2.0

//! Registers: what the kernel's own `register!` is made of.

pub use crate::{
    register_macro as register,
    source::{
        poll,
        register, //
    }, //
};

/// The kernel's `register!`. A macro that came through `include!` cannot be named by `use`.
#[macro_export]
#[doc(hidden)]
macro_rules! register_macro {
    ($($tokens:tt)*) => { $crate::register! { $($tokens)* } };
}

/// A window of registers of at least `SIZE` bytes, as the kernel's accessors see it. Ours do not
/// use them (`rust/io_window.rs`); the source of `register!` names it.
pub struct Region<const SIZE: usize>;

/// Where in a window of kind `Base` a `T` is.
pub trait IoLoc<Base: ?Sized, T> {
    /// What is read and written there.
    type IoType: Into<T> + From<T>;

    /// Where in the window.
    fn offset(self) -> usize;
}
