// SPDX-License-Identifier: GPL-2.0

//! Locks and lists for code that runs in any context.

pub mod irq_lock;
#[path = "../../../rust/sync/marked.rs"]
pub mod marked;
pub mod rcu_list;
