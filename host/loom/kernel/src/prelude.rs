// SPDX-License-Identifier: GPL-2.0

//! What the sources import with `use kernel::prelude::*`.

pub use crate::{
    alloc::KBox,
    new_mutex, //
};
pub use core::{
    ffi::CStr,
    pin::Pin, //
};
pub use host::{
    alloc::{
        flags::*,
        KVec, //
    },
    error::{
        code::*,
        Error,
        Result, //
    },
    macros::{
        fmt,
        pin_data,
        pinned_drop, //
    },
    module::ThisModule,
    pr_err, pr_info, pr_warn, static_assert,
};
pub use pin_init::{
    pin_init,
    PinInit,
    PinnedDrop,
    Zeroable, //
};
