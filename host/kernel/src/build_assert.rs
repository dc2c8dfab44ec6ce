// SPDX-License-Identifier: GPL-2.0

//! Checks when building; on the host some of them are made when running.

pub use crate::{
    build_assert_macro as build_assert,
    const_assert,
    static_assert, //
};

/// Does not compile if the condition is false.
#[macro_export]
macro_rules! static_assert {
    ($condition:expr $(,$arg:literal)?) => { const _: () = core::assert!($condition $(,$arg)?); };
}

/// Does not compile, where it is used, if the condition is false.
#[macro_export]
macro_rules! const_assert {
    ($condition:expr $(,$arg:literal)?) => { const { core::assert!($condition $(,$arg)?) } };
}

/// Panics if the condition is false, which in the kernel does not link.
#[macro_export]
#[doc(hidden)]
macro_rules! build_assert_macro {
    ($condition:expr $(, $message:expr)? $(,)?) => {
        core::assert!($condition)
    };
}
