// SPDX-License-Identifier: GPL-2.0

//! Firmware nodes: the interface of `rust/fwnode.rs`.

use kernel::prelude::*;
use std::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};

/// The identity of a firmware node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub u64);

/// A node made by software.
pub struct SoftwareNode(u64);

impl SoftwareNode {
    /// A node that no other is.
    ///
    /// # Errors
    ///
    /// None on the host.
    pub fn new() -> Result<Self> {
        static NODES: AtomicU64 = AtomicU64::new(1);
        Ok(Self(NODES.fetch_add(1, Relaxed)))
    }

    /// What names the node.
    pub fn key(&self) -> Key {
        Key(self.0)
    }
}
