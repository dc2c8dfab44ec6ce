// SPDX-License-Identifier: GPL-2.0

//! Drivers that are bound to devices while their DMA begins, or ceases, to be translated.
//!
//! A bound driver has handed addresses to its device that mean something else from one moment to
//! the next. So it is never switched under way: drivers are released before, and bind again
//! after. What cannot be released without harm, such as the driver of a mounted disk, is named,
//! and nothing is changed at all.

use iommu_ext::pci::{
    self,
    Busy,
    Function, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// Functions whose drivers were released. They bind again when this is dropped.
pub struct Released(KVec<ARef<Function>>);

impl Released {
    /// Releases the drivers of all PCI functions.
    ///
    /// # Errors
    ///
    /// Nothing was changed, and
    ///
    /// - `EBUSY`: a driver cannot be released. A line in the log names it.
    /// - `ENOMEM`.
    pub fn all() -> Result<Self> {
        Self::release(pci::bound_functions()?)
    }

    /// Releases the drivers of bridges; `refuse` decides about each other function that has a
    /// driver.
    ///
    /// # Errors
    ///
    /// Nothing was changed, and
    ///
    /// - what `refuse` returns.
    /// - `EBUSY`: a driver cannot be released. A line in the log names it.
    /// - `ENOMEM`.
    pub(crate) fn bridges(refuse: impl FnMut(&Function) -> Result) -> Result<Self> {
        bound(refuse)?;
        let mut functions = pci::bound_functions()?;
        functions.retain(|function| function.is_bridge());
        Self::release(functions)
    }

    fn release(functions: KVec<ARef<Function>>) -> Result<Self> {
        for function in functions.iter() {
            if let Some(busy) = function.busy()? {
                explain(function, &busy);
                return Err(EBUSY);
            }
        }
        // What sits behind a bridge goes before the bridge.
        for function in functions.iter().rev() {
            function.release_driver();
        }
        Ok(Self(functions))
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        for function in self.0.iter() {
            function.attach_driver();
        }
    }
}

/// Calls `refuse` with each function that has a driver, bridges apart, until one is refused.
///
/// # Errors
///
/// - what `refuse` returns.
/// - `ENOMEM`.
pub(crate) fn bound(mut refuse: impl FnMut(&Function) -> Result) -> Result {
    for function in pci::bound_functions()? {
        if !function.is_bridge() {
            refuse(&function)?;
        }
    }
    Ok(())
}

/// Turns on what ports have of access control, so that the C core can form small groups.
pub fn enable_acs() {
    for function in pci::all() {
        function.enable_acs();
    }
}

fn explain(function: &Function, busy: &Busy) {
    let driver = function.driver_name().unwrap_or(c"(none)");
    match busy {
        Busy::Driver => pr_err!(
            "{}: driver {} cannot be released, so its DMA cannot be switched\n",
            function.name(),
            driver
        ),
        Busy::InUse(user) => pr_err!(
            "{}: driver {} serves {}, which is in use: load the IOMMU driver from the \
             initramfs, or stop using it\n",
            function.name(),
            driver,
            &**user
        ),
    }
}
