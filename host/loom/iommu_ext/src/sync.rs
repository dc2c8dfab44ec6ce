// SPDX-License-Identifier: GPL-2.0

//! Lists for code that runs in any context.

pub mod marked;
#[path = "../../../../rust/sync/rcu_list.rs"]
pub mod rcu_list;
