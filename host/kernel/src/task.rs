// SPDX-License-Identifier: GPL-2.0

//! Tasks.

/// Says that the caller may sleep.
pub fn might_sleep() {}
