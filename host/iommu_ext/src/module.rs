// SPDX-License-Identifier: GPL-2.0

//! Modules, of which the host has none: the interface of `rust/module.rs`.

use kernel::prelude::*;

/// A reference to a module.
pub struct Pin;

impl Pin {
    /// Keeps `module` loaded.
    ///
    /// # Errors
    ///
    /// None on the host.
    pub fn new(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
