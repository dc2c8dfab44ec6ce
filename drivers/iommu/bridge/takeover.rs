// SPDX-License-Identifier: GPL-2.0

//! Drivers that are bound to devices while their DMA begins, or ceases, to be translated.
//!
//! A bound driver has handed addresses to its device that mean something else from one moment to
//! the next. So it is never switched under way: drivers are released before, and bind again
//! after. What cannot be released without harm, such as the driver of a mounted disk, is named,
//! and nothing is changed at all.
//!
//! Nor may a driver bind in between. It would get addresses from a domain, which the unit does not
//! translate yet, or none from a domain that its device is about to be in. So once the drivers are
//! released, the locks of their devices are held (`Released::hold`) until the unit translates:
//! whoever wants to bind waits.

use crate::spec;
use iommu_core::{
    instance::Instance,
    registry, //
};
use iommu_ext::{
    fwnode,
    pci::{
        self,
        Function,
        Held, //
    },
    vec::KVecExt, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// How often a driver may bind between its release and the moment its device is held.
const ATTEMPTS: u32 = 10;

/// Functions whose drivers were released. They bind again when this is dropped.
pub struct Released {
    functions: KVec<WithoutDriver>,
    behind: Behind,
}

/// A function whose driver was released.
struct WithoutDriver {
    function: ARef<Function>,
    /// It is a port, which stays enabled meanwhile: what is behind it, and has no driver or a
    /// driver that stays, goes on with its DMA.
    _enabled: Option<pci::Enabled>,
}

/// The functions that a [`Released`] is about.
#[derive(Clone, Copy)]
enum Behind {
    /// Those behind any unit that serves. All drivers are released.
    AnyUnit,
    /// Those behind one unit. The drivers of ports are released, and there are no others.
    One(fwnode::Key),
}

impl Behind {
    fn has(self, function: &Function) -> Result<bool> {
        let unit = spec::unit_of(function)?;
        Ok(match self {
            Self::AnyUnit => unit.is_some_and(registry::is_registered),
            Self::One(key) => unit == Some(key),
        })
    }

    fn may_release(self, function: &Function) -> bool {
        match self {
            Self::AnyUnit => true,
            Self::One(_) => function.is_port(),
        }
    }
}

impl Released {
    /// Releases the drivers of all PCI functions that firmware puts behind a unit that serves. For
    /// those behind other units nothing changes.
    ///
    /// # Errors
    ///
    /// No driver was released, and
    ///
    /// - `EBUSY`: one cannot be without harm. A line in the log names the device, and why.
    /// - `ENOMEM`.
    pub fn all() -> Result<Self> {
        Self::new(Behind::AnyUnit)
    }

    /// Releases the drivers of the ports behind one unit, which is to be detached.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all). Any other driver that is bound to a function behind the unit is
    /// such a reason.
    pub(crate) fn ports_of(instance: &Instance) -> Result<Self> {
        Self::new(Behind::One(instance.key()))
    }

    fn new(behind: Behind) -> Result<Self> {
        let mut released = Self {
            functions: KVec::new(),
            behind,
        };
        released.release()?;
        Ok(released)
    }

    /// Releases the drivers that are bound now: all that are to be, or none.
    fn release(&mut self) -> Result {
        let mut bound = KVec::new();
        for function in pci::bound_functions()? {
            if self.behind.has(&function)? {
                bound.try_push(function, GFP_KERNEL)?;
            }
        }
        for function in bound.iter() {
            self.may_release(function)?;
        }
        let before = self.functions.len();
        self.functions.try_reserve(bound.len(), GFP_KERNEL)?;
        for function in bound {
            let enabled = function.is_port().then(|| pci::Enabled::keep(&function));
            let released = WithoutDriver {
                function,
                _enabled: enabled.flatten(),
            };
            self.functions.try_push(released, GFP_KERNEL)?;
        }
        // What sits behind a bridge goes before the bridge.
        let released = self.functions.get(before..).unwrap_or_default();
        for released in released.iter().rev() {
            released.function.release_driver();
        }
        Ok(())
    }

    /// Fails with `EBUSY`, and says why, if the driver of a function must stay.
    fn may_release(&self, function: &Function) -> Result {
        if !self.behind.may_release(function) {
            let driver = function.driver_name();
            pr_err!(
                "{}: its unit cannot be detached: it is bound to driver {}\n",
                function.name(),
                driver.as_deref().unwrap_or(c"(gone)")
            );
            return Err(EBUSY);
        }
        if let Some(why) = function.why_busy()? {
            pr_err!(
                "{}: its driver cannot be released: it {}. Load the IOMMU driver from the \
                 initramfs, or stop the use\n",
                function.name(),
                &*why
            );
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Keeps drivers from binding, until what this returns is dropped. Drivers that have bound
    /// since they were released are released again.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: a driver that has bound meanwhile cannot be released without harm, or one binds
    ///   as often as it is released. A line in the log names the device.
    /// - `ENOMEM`.
    pub(crate) fn hold(&mut self) -> Result<Held> {
        for _ in 0..ATTEMPTS {
            let behind = self.behind;
            let held = Held::new(|function| behind.has(function))?;
            let Some(bound) = held.bound() else {
                return Ok(held);
            };
            pr_info!("{}: a driver has bound meanwhile\n", bound.name());
            drop(held);
            self.release()?;
        }
        pr_err!("drivers bind as often as they are released: the IOMMU is left alone\n");
        Err(EBUSY)
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        // A port is let go after its driver has enabled it itself: fields go after this.
        for released in self.functions.iter() {
            released.function.attach_driver();
        }
    }
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
        // Not under a driver, as what the command line says would not be applied again. Where there
        // is one, no unit serves the function.
        for function in pci::all().filter(|function| !function.has_driver()) {
            function.enable_acs();
        }
        Ok(Self {
            _arrivals: arrivals,
            _kept: kept,
        })
    }
}
