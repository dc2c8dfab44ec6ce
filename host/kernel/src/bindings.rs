// SPDX-License-Identifier: GPL-2.0

//! C functions that the kernel's own modules call, of the host's C library.

use std::ffi::{
    c_char,
    c_int, //
};

extern "C" {
    /// `snprintf()`: that the kernel's returns something else for a text that is too long does not
    /// matter to whoever uses it here.
    #[link_name = "snprintf"]
    pub fn scnprintf(text: *mut c_char, len: usize, format: *const c_char, ...) -> c_int;
}

/// `%p` of the host prints the address. (Mutable as in C; nobody writes it.)
#[allow(non_upper_case_globals, reason = "it has the name of the kernel's")]
pub static mut no_hash_pointers: bool = true;
