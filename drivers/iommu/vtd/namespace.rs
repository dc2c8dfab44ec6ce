// SPDX-License-Identifier: GPL-2.0

//! Devices of the ACPI namespace that are behind a unit but are no PCI devices (VT-d 8.7).
//!
//! Nobody probes them for us: the kernel's core asks about them as platform devices, which have no
//! requester ID, and their drivers may be bound long before we load. Firmware says which requester
//! ID their DMA carries, so the unit lets that ID pass untranslated. Without an entry their DMA
//! would be refused from the moment that translation is on.
//!
//! The kernel's own driver looks the device up in the namespace, and translates its DMA.

use crate::unit::Unit;
use iommu_core::{
    driver::Driver,
    route::{
        Entry,
        Route, //
    }, //
};
use kernel::prelude::*;

/// Lets the DMA of a namespace device pass, whose requester ID is `rid`, and says so in the log. To
/// be called before the unit's PCI devices are probed: should one of them have the same ID, its
/// entry is what counts.
///
/// A unit that cannot pass DMA through refuses that of the device; the log says that instead.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn let_pass(unit: &Unit, device: &CStr, rid: u16) -> Result {
    let passes = unit.limits().identity.is_some();
    let [bus, devfn] = rid.to_be_bytes();
    if passes {
        unit.root.prepare(bus)?;
        unit.set_route(&[rid.into()], Route::Rid, Entry::Identity);
    }
    pr_warn!(
        "{}: {} (requester {:02x}:{:02x}.{}) is no PCI device: its DMA {}\n",
        unit.name(),
        device,
        bus,
        devfn >> 3,
        devfn & 7,
        if passes {
            "passes untranslated"
        } else {
            "will be refused, as the unit cannot pass it through (ECAP_REG.PT)"
        }
    );
    Ok(())
}
