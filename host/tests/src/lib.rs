// SPDX-License-Identifier: GPL-2.0

//! What the tests of page tables have in common.
//!
//! - [`hardware`]: a walker written from the specification, which shares no code with `pgtable`.
//! - [`model`]: what should be mapped.
//! - [`watched`]: a table whose every call is compared with both.
//! - [`random`]: operations made of numbers.

pub mod hardware;
pub mod model;
pub mod random;
pub mod watched;
