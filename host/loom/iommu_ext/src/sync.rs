// SPDX-License-Identifier: GPL-2.0

//! Lists for code that runs in any context.

#[path = "../../vtd/src/sync/irq_lock.rs"]
pub mod irq_lock;
pub mod marked;
#[path = "../../../../rust/sync/rcu_list.rs"]
pub mod rcu_list;
