// SPDX-License-Identifier: GPL-2.0

//! Firmware nodes: the interface of `rust/fwnode.rs`.

/// The identity of a firmware node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub u64);
