// SPDX-License-Identifier: GPL-2.0

//! Stands in for `rust/` on the host: addresses as they are, pages and gathers that are watched.

#[path = "../../../rust/addr.rs"]
pub mod addr;
pub mod fwnode;
pub mod gather;
pub mod ida;
pub mod io_window;
pub mod memory;
pub mod module;
pub mod pages;
pub mod power;
pub mod ratelimit;
pub mod sync;
#[path = "../../../rust/vec.rs"]
pub mod vec;
pub mod x86;
