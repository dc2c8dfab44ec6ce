// SPDX-License-Identifier: GPL-2.0

//! Errors: numbers of C.

use std::{
    convert::Infallible,
    fmt,
    num::{
        NonZeroI32,
        TryFromIntError, //
    }, //
};

/// A negative errno.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZeroI32);

impl Error {
    const fn new(errno: i32) -> Self {
        match NonZeroI32::new(-errno) {
            Some(errno) => Self(errno),
            None => panic!("0 is no error"),
        }
    }

    /// The negative errno.
    pub const fn to_errno(self) -> i32 {
        self.0.get()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match code::name(*self) {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.to_errno()),
        }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<TryFromIntError> for Error {
    fn from(_: TryFromIntError) -> Self {
        code::EINVAL
    }
}

/// A result whose error is an errno.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

/// The errnos.
pub mod code {
    use super::Error;

    macro_rules! errnos {
        ($($name:ident = $errno:literal),* $(,)?) => {
            $(
                #[doc = concat!("errno ", $errno)]
                pub const $name: Error = Error::new($errno);
            )*

            pub(super) fn name(error: Error) -> Option<&'static str> {
                match error {
                    $($name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        };
    }

    errnos! {
        EPERM = 1,
        ENOENT = 2,
        EIO = 5,
        E2BIG = 7,
        EAGAIN = 11,
        ENOMEM = 12,
        EFAULT = 14,
        EBUSY = 16,
        EEXIST = 17,
        ENODEV = 19,
        EINVAL = 22,
        ENOSPC = 28,
        ERANGE = 34,
        EOVERFLOW = 75,
        EOPNOTSUPP = 95,
        ETIMEDOUT = 110,
    }
}

impl From<std::str::Utf8Error> for Error {
    fn from(_: std::str::Utf8Error) -> Self {
        code::EINVAL
    }
}
