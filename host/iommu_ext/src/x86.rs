// SPDX-License-Identifier: GPL-2.0

//! What x86 hardware needs and other architectures do not have.

#[path = "../../../rust/x86/pair.rs"]
pub mod pair;
pub mod vector;
