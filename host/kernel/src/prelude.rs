// SPDX-License-Identifier: GPL-2.0

//! What the sources import with `use kernel::prelude::*`.

pub use crate::{
    alloc::{
        flags::*,
        KBox,
        KVec, //
    },
    const_assert,
    error::{
        code::*,
        Error,
        Result, //
    },
    macros::{
        fmt,
        pin_data, //
    },
    module::ThisModule,
    new_mutex, pr_err, pr_info, pr_warn, static_assert,
};
pub use core::{
    ffi::{
        c_int,
        c_void,
        CStr, //
    },
    pin::Pin, //
};
pub use pin_init::{
    pin_init,
    PinInit,
    Zeroable, //
};
