// SPDX-License-Identifier: GPL-2.0

//! C functions of RCU.

#![allow(non_camel_case_types, reason = "names of C")]

pub use crate::sync::rcu::{
    call_rcu,
    rcu_barrier,
    synchronize_rcu, //
};

/// `struct callback_head`: what a callback is queued by.
#[derive(Default)]
pub struct callback_head;
