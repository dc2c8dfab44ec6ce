// SPDX-License-Identifier: GPL-2.0

//! Keeping a module loaded while something still needs its code.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use kernel::{
    bindings,
    prelude::*, //
};

/// A reference to a module: it cannot be unloaded while this lives.
///
/// # Invariants
///
/// One reference of the module is ours.
pub struct Pin(&'static ThisModule);

impl Pin {
    /// Keeps `module` loaded.
    ///
    /// # Errors
    ///
    /// `ENODEV` if it is being unloaded already.
    pub fn new(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: `ThisModule` wraps a valid module pointer.
        if unsafe { bindings::try_module_get(module.as_ptr()) } {
            // INVARIANT: The call took a reference.
            Ok(Self(module))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::module_put(self.0.as_ptr()) };
    }
}
