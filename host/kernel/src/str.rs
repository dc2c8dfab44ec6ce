// SPDX-License-Identifier: GPL-2.0

//! Strings.

use crate::{
    error::Error,
    fmt, //
};
use std::{
    ffi::{
        c_char,
        CStr, //
    },
    ops::Deref, //
};

/// A string of its own, that ends in NUL.
#[derive(Debug)]
pub struct CString(std::ffi::CString);

impl CString {
    /// The string that `args` makes.
    ///
    /// # Errors
    ///
    /// None on the host, where no string has a NUL in it.
    pub fn try_from_fmt(args: fmt::Arguments<'_>) -> Result<Self, Error> {
        let string = std::ffi::CString::new(args.to_string()).expect("no NUL in names");
        Ok(Self(string))
    }
}

/// What the kernel adds to strings of C.
pub trait CStrExt {
    /// The first byte.
    fn as_char_ptr(&self) -> *const c_char;
}

impl CStrExt for CStr {
    fn as_char_ptr(&self) -> *const c_char {
        self.as_ptr()
    }
}

impl fmt::Display for CStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}

impl TryFrom<&CStr> for CString {
    type Error = Error;

    fn try_from(string: &CStr) -> Result<Self, Error> {
        Ok(Self(string.into()))
    }
}

impl Deref for CString {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        &self.0
    }
}
