// SPDX-License-Identifier: GPL-2.0

//! `rust_vtd.ko`: the driver for Intel VT-d, DMA remapping in legacy mode.
//!
//! Sections cited in this crate are those of the *Intel Virtualization Technology for Directed
//! I/O, Architecture Specification*.
//!
//! | file | what | section |
//! |---|---|---|
//! | [`dmar`], [`scopes`] | which units there are, and for which devices | 8 |
//! | [`regs`] | registers, features, commands | 11.4 |
//! | [`tables`] | root and context entries | 9.1, 9.3 |
//! | [`invalidate`] | the invalidation queue | 6.5.2 |
//! | [`fault`] | refused DMA, in words | 7 |
//! | [`unit`] | one unit: claim, start, stop | |
//! | [`power`] | sleep, reboot, another kernel | |
//! | [`driver`] | what the core asks of it | |
//! | [`quirks`], [`survey`] | devices and chipsets that do something else | |
//! | [`namespace`] | devices that are no PCI devices | 8.7 |
//!
//! # Loading
//!
//! Units are claimed and started first, with empty tables. Then the drivers of all PCI functions
//! are released, and kept from binding. The units are registered with the kernel's core, which
//! gives every device a domain, and translation is turned on. Then drivers bind again. If no
//! unit can serve, as when all are owned by someone else, or if a driver cannot be released, devices
//! and drivers stay as they were. If a unit cannot be registered or turned on, all units are off when
//! drivers bind again. A unit that cannot be claimed costs itself: its devices and their drivers
//! stay as they were, and a line in the log names each device.

#![deny(unsafe_code)]

mod dmar;
mod driver;
mod fault;
mod invalidate;
mod namespace;
mod power;
mod quirks;
mod regs;
mod scopes;
mod statistics;
mod survey;
mod tables;
mod unit;

use bridge::{
    takeover::{
        AccessControl,
        Released, //
    },
    unit::register_all, //
};
use iommu_core::{
    firmware::Publication,
    instance::Instance, //
};
use iommu_ext::{
    abi,
    acpi_table::AcpiTable,
    addr::PhysAddr,
    fwnode::SoftwareNode,
    memory_map,
    pages::NumaNode,
    vec::KVecExt,
    x86::vector, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};
use quirks::{
    Chipset,
    Graphics, //
};
use unit::{
    Started,
    Unit, //
};

module! {
    type: Vtd,
    name: "rust_vtd",
    authors: ["Rust IOMMU developers"],
    description: "Intel VT-d IOMMU",
    license: "GPL v2",
    params: {
        translate_graphics: u8 {
            default: 0,
            description: "1: integrated graphics get a domain as other devices do; 0: their DMA passes",
        },
    },
}

/// What loading has set up. Dropped from the top down.
struct Vtd {
    _access_control: AccessControl,
    _power: power::Registration,
    _units: KVec<Known>,
    _publication: Publication,
    _nodes: KVec<SoftwareNode>,
}

/// A unit that is known to the core. Dropped from the top down: first nobody can ask for anything
/// any more, last the unit stops to use memory.
struct Known {
    _statistics: Pin<KBox<statistics::File>>,
    registered: Arc<bridge::unit::Unit>,
    _faults: vector::Registration<fault::FaultEvent>,
    _started: Started,
}

impl kernel::Module for Vtd {
    fn init(module: &'static ThisModule) -> Result<Self> {
        abi::check(c"rust_vtd", abi::ID)?;
        let (dmar, address_bits) = read_dmar()?;
        // A method, as it takes the value of 7.3 and the reference of 7.2.
        let graphics = if module_parameters::translate_graphics.value().eq(&0) {
            Graphics::Passes
        } else {
            Graphics::Translated
        };
        let claimed = claim(&dmar, address_bits, survey::chipset(graphics))?;
        let mut nodes = KVec::with_capacity(claimed.len(), GFP_KERNEL)?;
        for _ in claimed.iter() {
            nodes.try_push(SoftwareNode::new()?, GFP_KERNEL)?;
        }
        let publication = Publication::new(scopes::describe(&dmar, &nodes)?)?;

        // The queues of all units are on before one is waited for.
        let mut started = KVec::with_capacity(claimed.len(), GFP_KERNEL)?;
        let mut serving = KVec::with_capacity(claimed.len(), GFP_KERNEL)?;
        for unit in claimed.iter().flatten() {
            serving.try_push(unit.clone(), GFP_KERNEL)?;
            started.try_push(unit.start()?, GFP_KERNEL)?;
        }
        started.iter().try_for_each(Started::forget_all)?;

        let statistics = statistics::Directory::new();
        let mut units = KVec::with_capacity(claimed.len(), GFP_KERNEL)?;
        let described = claimed.iter().zip(nodes.iter());
        let present = described.filter_map(|(unit, node)| Some((unit.as_ref()?, node)));
        for ((unit, node), started) in present.zip(started) {
            units.try_push(
                introduce(unit, started, node, &statistics, module)?,
                GFP_KERNEL,
            )?;
        }
        for (unit, described) in claimed.iter().zip(dmar.units.iter()) {
            if let Some(unit) = unit {
                for (device, rid) in dmar.namespace_of(described) {
                    namespace::let_pass(unit, device, rid)?;
                }
            }
        }
        let power = power::register(serving)?;

        let mut released = Released::all()?;
        let access_control = AccessControl::enable()?;
        let registered = register_all(units.iter().map(|unit| &unit.registered), &mut released);
        if let Err(e) = registered {
            // Before drivers bind again: the units use no memory any more.
            drop(units);
            return Err(e);
        }
        drop(released);
        Ok(Self {
            _access_control: access_control,
            _power: power,
            _units: units,
            _publication: publication,
            _nodes: nodes,
        })
    }
}

/// Reads the firmware's table. Returns with it how wide physical addresses are, in bits.
fn read_dmar() -> Result<(dmar::Dmar, u8)> {
    let table = AcpiTable::get(c"DMAR").inspect_err(|_| {
        pr_err!("there is no DMAR table: the machine has no VT-d, or its firmware has it off\n")
    })?;
    let refuse = |failure| {
        pr_err!("DMAR table refused: {failure}\n");
        EINVAL
    };
    let mut dmar = dmar::parse(table.bytes()).map_err(refuse)?;
    let is_used = |first, last| {
        let (first, last) = (PhysAddr(first), PhysAddr(last));
        memory_map::has_system_ram(first, last) || memory_map::has_pci_window(first, last)
    };
    let address_bits = dmar.settle_width(is_used).map_err(refuse)?;
    for note in dmar.notes.iter() {
        if note.is_fault {
            pr_warn!("DMAR table: {note}\n");
        } else {
            pr_info!("DMAR table: {note}\n");
        }
    }
    if dmar.notes.more() != 0 {
        pr_warn!("DMAR table: and {} more such lines\n", dmar.notes.more());
    }
    for memory in dmar.reserved.iter() {
        if memory_map::has_system_ram(PhysAddr(memory.first), PhysAddr(memory.last)) {
            // Firmware should have kept it from the kernel (8.4). It is mapped all the same: a
            // device that did not get what firmware promises it might stop the machine.
            pr_warn!(
                "DMAR table: {:#x} to {:#x}, which devices may use at any time (RMRR), is System \
                 RAM\n",
                memory.first,
                memory.last
            );
        }
    }
    if dmar.flags.dma_control_opt_in {
        pr_info!("DMAR table: firmware lets no device reach memory before the kernel (opt-in)\n");
    }
    Ok((dmar, address_bits))
}

/// Claims the units, in the order of the table, whose index is their number; `None` stands for one
/// that cannot serve. Its devices are named when the core asks for them.
///
/// # Errors
///
/// A line in the log says why no unit can serve, and
///
/// - `EBUSY`: the registers of one are in use.
/// - `ENODEV`: there is none, or none that can translate.
/// - `ENOMEM`.
fn claim(dmar: &dmar::Dmar, address_bits: u8, chipset: Chipset) -> Result<KVec<Option<Arc<Unit>>>> {
    let mut claimed = KVec::with_capacity(dmar.units.len(), GFP_KERNEL)?;
    let mut failure = ENODEV;
    for (index, described) in dmar.units.iter().enumerate() {
        let name = CString::try_from_fmt(fmt!("dmar{index}"))?;
        let unit = if let Some(fault) = described.fault {
            pr_err!(
                "{}: the DMAR table is wrong: the unit at {:#x} {fault}; its devices are not \
                 translated\n",
                &*name,
                described.base
            );
            Err(ENODEV)
        } else {
            Unit::claim(
                name,
                PhysAddr(described.base),
                address_bits,
                dmar.proximity_of(described)
                    .map_or(NumaNode::ANY, NumaNode::of_proximity),
                chipset,
            )
        };
        let unit = match unit {
            Ok(unit) if chipset.has_broken_graphics && survey::has_graphics_only(described) => {
                leave_out(&unit);
                None
            }
            Ok(unit) => Some(unit),
            Err(e) if e == ENOMEM => return Err(e),
            // What is wrong with one unit does not cost the others. It has been logged.
            Err(e) => {
                if e == EBUSY {
                    failure = e;
                }
                None
            }
        };
        claimed.try_push(unit, GFP_KERNEL)?;
    }
    if claimed.iter().all(Option::is_none) {
        pr_err!("no unit can serve\n");
        return Err(failure);
    }
    Ok(claimed)
}

/// Leaves out a unit that has graphics only, which do not work with translation.
fn leave_out(unit: &Unit) {
    pr_warn!(
        "{}: is not used, as it has graphics only, which do not work with translation\n",
        unit.name()
    );
    // Not more than that: it has no queue of ours, by which it could be told of other tables.
    unit.shut_down();
}

/// Makes a unit known to the core. It translates nothing yet.
fn introduce(
    unit: &Arc<Unit>,
    started: Started,
    node: &SoftwareNode,
    statistics: &statistics::Directory,
    module: &'static ThisModule,
) -> Result<Known> {
    let instance = Instance::new(
        CString::try_from(unit.name())?,
        node.key(),
        unit.limits(),
        unit.clone(),
        Some(module),
    )?;
    let faults = unit.report_faults(instance.clone())?;
    let registered = bridge::unit::Unit::new(instance.clone(), unit.clone(), module)?;
    Ok(Known {
        _statistics: statistics.add(unit.clone(), instance)?,
        registered,
        _faults: faults,
        _started: started,
    })
}
