// SPDX-License-Identifier: GPL-2.0

//! Strings of C.

use core::slice;
use kernel::{
    bindings,
    ffi::c_char,
    prelude::*, //
};

/// The string at `text`. As `CStr::from_char_ptr`, which adds the NUL to the length with a check
/// for overflow.
///
/// # Safety
///
/// `text` points to a string that ends with a NUL, and neither changes nor goes during `'a`.
pub(crate) unsafe fn from_char_ptr<'a>(text: *const c_char) -> &'a CStr {
    // SAFETY: By the requirement, there is a NUL.
    let len = unsafe { bindings::strlen(text) };
    // Does not saturate: the string and its NUL are in the address space.
    let with_nul = len.saturating_add(1);
    // SAFETY: By the requirement, these bytes are there, and stay as they are.
    let bytes = unsafe { slice::from_raw_parts(text.cast::<u8>(), with_nul) };
    // SAFETY: The last byte is the NUL, and the first one.
    unsafe { CStr::from_bytes_with_nul_unchecked(bytes) }
}
