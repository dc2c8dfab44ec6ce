// SPDX-License-Identifier: GPL-2.0

//! Looks over the machine's PCI functions, before any unit is used, for what quirks must know.

use crate::{
    dmar::{
        self,
        ScopeKind, //
    },
    quirks::{
        Chipset,
        Graphics, //
    }, //
};
use bridge::identity;
use iommu_ext::pci;
use kernel::prelude::*;

/// What is known of the machine. Lines in the log say what is not as it should be.
pub(crate) fn chipset(graphics: Graphics) -> Chipset {
    let mut chipset = Chipset::new(graphics);
    for function in pci::all() {
        if let Some(why) = identity::with(&function, |function| chipset.note(function)) {
            pr_info!("{}: {}\n", function.name(), why);
        }
    }
    chipset
}

/// Whether a unit has display controllers on a root bus, and no other device that is there.
pub(crate) fn has_graphics_only(unit: &dmar::Unit) -> bool {
    let mut has_graphics = false;
    for scope in unit.scopes.iter() {
        match (scope.kind, scope.path.as_slice()) {
            // They do no DMA.
            (ScopeKind::IoApic | ScopeKind::Hpet, _) => (),
            (ScopeKind::Endpoint | ScopeKind::SubHierarchy, [hop]) => {
                let place = (
                    u32::from(unit.segment),
                    scope.start_bus,
                    hop.device << 3 | hop.function,
                );
                let found = pci::all().find(|function| {
                    (function.segment(), function.bus(), function.devfn()) == place
                });
                match found.map(|function| identity::with(&function, |f| f.is_display())) {
                    Some(true) => has_graphics = true,
                    Some(false) => return false,
                    None => (),
                }
            }
            (ScopeKind::Endpoint | ScopeKind::SubHierarchy | ScopeKind::Namespace, _) => {
                return false
            }
        }
    }
    has_graphics && !unit.include_all
}
