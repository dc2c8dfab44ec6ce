// SPDX-License-Identifier: GPL-2.0

//! Firmware nodes as names of hardware units.
//!
//! C headers: [`include/linux/fwnode.h`](srctree/include/linux/fwnode.h),
//! [`include/linux/property.h`](srctree/include/linux/property.h)

use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

/// The identity of a firmware node: compared, never followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(NonNull<bindings::fwnode_handle>);

// SAFETY: The pointer is not followed.
unsafe impl Send for Key {}
// SAFETY: As above.
unsafe impl Sync for Key {}

/// A node made by software, for a unit that firmware describes in no node of its own.
///
/// # Invariants
///
/// `0` came from `fwnode_create_software_node()`, and nothing else removes it.
pub struct SoftwareNode(NonNull<bindings::fwnode_handle>);

// SAFETY: Software nodes are reference counted and may be removed from any thread.
unsafe impl Send for SoftwareNode {}
// SAFETY: Nothing is done through a shared reference.
unsafe impl Sync for SoftwareNode {}

impl SoftwareNode {
    /// A node without parent and properties.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        // SAFETY: A node needs neither properties nor a parent.
        let node = from_err_ptr(unsafe {
            bindings::fwnode_create_software_node(ptr::null(), ptr::null())
        })?;
        // INVARIANT: The node was just created.
        Ok(Self(NonNull::new(node).ok_or(ENOMEM)?))
    }

    /// What names the node.
    pub fn key(&self) -> Key {
        Key(self.0)
    }
}

impl Drop for SoftwareNode {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::fwnode_remove_software_node(self.0.as_ptr()) };
    }
}
