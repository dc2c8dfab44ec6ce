// SPDX-License-Identifier: GPL-2.0

//! What KUnit's assertions are made of.

/// Asserts that `$condition` holds, in the KUnit test `$name` of `$file`.
#[macro_export]
macro_rules! kunit_assert {
    ($name:literal, $file:literal, $diff:expr, $condition:expr $(,)?) => {
        ::std::assert!($condition)
    };
}
