// SPDX-License-Identifier: GPL-2.0

//! What the DMAR table says about devices, in the core's words.

use crate::dmar::{
    self,
    Dmar,
    ScopeKind, //
};
use iommu_core::firmware::{
    AtsPorts,
    Description,
    IntegratedDevices,
    ReservedMemory,
    Scope,
    Unit, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange, //
    },
    fwnode::SoftwareNode,
    vec::KVecExt, //
};
use kernel::prelude::*;

/// Describes the table's units, each named by the node of the same index, its reserved memory, and
/// where ATS may be used.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn describe(dmar: &Dmar, nodes: &[SoftwareNode]) -> Result<Description> {
    let mut units = KVec::with_capacity(dmar.units.len(), GFP_KERNEL)?;
    for (unit, node) in dmar.units.iter().zip(nodes) {
        units.try_push(
            Unit {
                key: node.key(),
                segment: unit.segment.into(),
                include_all: unit.include_all,
                scopes: pci_scopes(&unit.scopes)?,
            },
            GFP_KERNEL,
        )?;
    }
    let mut reserved = KVec::with_capacity(dmar.reserved.len(), GFP_KERNEL)?;
    for memory in dmar.reserved.iter() {
        // The parser has left out what ends before it starts.
        let Some(range) = IovaRange::new(Iova(memory.first), Iova(memory.last)) else {
            continue;
        };
        reserved.try_push(
            ReservedMemory {
                range,
                segment: memory.segment.into(),
                scopes: pci_scopes(&memory.scopes)?,
            },
            GFP_KERNEL,
        )?;
    }
    let mut ats_ports = KVec::with_capacity(dmar.root_ports.len(), GFP_KERNEL)?;
    for ports in dmar.root_ports.iter() {
        ats_ports.try_push(
            AtsPorts {
                segment: ports.segment.into(),
                all: ports.all,
                scopes: pci_scopes(&ports.scopes)?,
            },
            GFP_KERNEL,
        )?;
    }
    let mut integrated = KVec::with_capacity(dmar.integrated.len(), GFP_KERNEL)?;
    for devices in dmar.integrated.iter() {
        integrated.try_push(
            IntegratedDevices {
                segment: devices.segment.into(),
                // In legacy mode hardware turns ATS on by itself for devices that cannot do
                // without (8.8).
                ats_by_hardware: devices.required,
                scopes: pci_scopes(&devices.scopes)?,
            },
            GFP_KERNEL,
        )?;
    }
    Ok(Description {
        units,
        reserved,
        ats_ports,
        integrated,
        pre_boot_protection: dmar.flags.dma_control_opt_in,
    })
}

/// The scopes that name PCI functions. I/O APICs and HPETs send interrupts only; ACPI namespace
/// devices have no place in the PCI hierarchy.
fn pci_scopes(scopes: &[dmar::Scope]) -> Result<KVec<Scope>> {
    let mut pci = KVec::new();
    for scope in scopes {
        match scope.kind {
            ScopeKind::Endpoint | ScopeKind::SubHierarchy => (),
            ScopeKind::IoApic | ScopeKind::Hpet | ScopeKind::Namespace => continue,
        }
        let mut path = KVec::with_capacity(scope.path.len(), GFP_KERNEL)?;
        for hop in scope.path.iter() {
            path.try_push(hop.device << 3 | hop.function, GFP_KERNEL)?;
        }
        pci.try_push(
            Scope {
                start_bus: scope.start_bus,
                path,
            },
            GFP_KERNEL,
        )?;
    }
    Ok(pci)
}
