// SPDX-License-Identifier: GPL-2.0

//! Drivers that are bound to devices while their DMA begins, or ceases, to be translated.
//!
//! A bound driver has handed addresses to its device that mean something else from one moment to
//! the next. So it is never switched under way: drivers are released before, and bind again
//! after. What cannot be released without harm, such as the driver of a mounted disk, is named,
//! and nothing is changed at all.

use crate::spec;
use iommu_ext::{
    fwnode,
    pci::{
        self,
        Function, //
    },
    vec::KVecExt, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// Functions whose drivers were released. They bind again when this is dropped.
pub struct Released(KVec<ARef<Function>>);

impl Released {
    /// Releases the drivers of all PCI functions that firmware puts behind a unit.
    ///
    /// # Errors
    ///
    /// No driver was released, and
    ///
    /// - `EBUSY`: one cannot be without harm. A line in the log names the device, and why.
    /// - `ENOMEM`.
    pub fn all() -> Result<Self> {
        Self::release(|_, unit| unit.is_some())
    }

    /// Releases the drivers of the ports behind one unit.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub(crate) fn ports_of(key: fwnode::Key) -> Result<Self> {
        Self::release(|function, unit| function.is_port() && unit == Some(key))
    }

    fn release(select: impl Fn(&Function, Option<fwnode::Key>) -> bool) -> Result<Self> {
        let mut functions = KVec::new();
        for function in pci::bound_functions()? {
            if select(&function, spec::unit_of(&function)?) {
                functions.try_push(function, GFP_KERNEL)?;
            }
        }
        for function in functions.iter() {
            if let Some(why) = function.why_busy()? {
                pr_err!(
                    "{}: its driver cannot be released: it {}. Load the IOMMU driver from the \
                     initramfs, or stop the use\n",
                    function.name(),
                    &*why
                );
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

/// The first function behind a unit, ports apart, that has a driver.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn first_bound(key: fwnode::Key) -> Result<Option<ARef<Function>>> {
    for function in pci::bound_functions()? {
        if !function.is_port() && spec::unit_of(&function)? == Some(key) {
            return Ok(Some(function));
        }
    }
    Ok(None)
}

/// Access control of the PCI functions, without which the C core cannot form small groups.
///
/// It is on for the functions that are there, and turned on for those that come while this lives.
/// Where a function loses it, by a reset or in sleep, it is turned on again before anything behind
/// the function works again. It stays on after that.
pub struct AccessControl {
    _arrivals: Pin<KBox<pci::Arrivals>>,
    _kept: Option<pci::KeptAcs>,
}

impl AccessControl {
    /// Turns it on.
    ///
    /// To be called before units are registered: what the command line says about ACS is applied
    /// on top of it then, and to functions that come before they are grouped.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn enable() -> Result<Self> {
        // First, so that none comes in between.
        let arrivals = pci::Arrivals::watch(Function::enable_acs)?;
        let kept = match pci::KeptAcs::new() {
            Ok(kept) => Some(kept),
            Err(ENOMEM) => return Err(ENOMEM),
            Err(e) => {
                pr_warn!(
                    "access control of PCI ports is not turned on again after a reset or sleep: \
                     kprobes give error {}. Groups then promise more than the hardware does\n",
                    e.to_errno()
                );
                None
            }
        };
        for function in pci::all() {
            function.enable_acs();
        }
        Ok(Self {
            _arrivals: arrivals,
            _kept: kept,
        })
    }
}
