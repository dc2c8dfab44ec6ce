// SPDX-License-Identifier: GPL-2.0

//! The log, which goes to standard error, or to the test that wants to read it.

use std::{
    cell::RefCell,
    fmt, //
};

thread_local! {
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From here on keeps the lines that this thread prints, for [`captured`].
pub fn capture() {
    CAPTURED.set(Some(Vec::new()));
}

/// The lines that were kept since the last call.
pub fn captured() -> Vec<String> {
    CAPTURED.with_borrow_mut(|lines| lines.as_mut().map(std::mem::take).unwrap_or_default())
}

#[doc(hidden)]
pub fn print(level: &str, line: fmt::Arguments<'_>) {
    let kept = CAPTURED.with_borrow_mut(|lines| match lines {
        Some(lines) => {
            lines.push(format!("{level}: {line}"));
            true
        }
        None => false,
    });
    if !kept {
        eprint!("{level}: {line}");
    }
}

/// Prints an error.
#[macro_export]
macro_rules! pr_err {
    ($($arg:tt)*) => { $crate::print::print("error", $crate::prelude::fmt!($($arg)*)) };
}

/// Prints a warning.
#[macro_export]
macro_rules! pr_warn {
    ($($arg:tt)*) => { $crate::print::print("warning", $crate::prelude::fmt!($($arg)*)) };
}

/// Prints a message.
#[macro_export]
macro_rules! pr_info {
    ($($arg:tt)*) => { $crate::print::print("info", $crate::prelude::fmt!($($arg)*)) };
}
