// SPDX-License-Identifier: GPL-2.0

//! What x86 hardware needs and other architectures do not have.

pub(crate) mod cache;
pub mod pair;
pub mod vector;
