// SPDX-License-Identifier: GPL-2.0

//! What firmware says: which unit translates a PCI device, and which memory it needs identity
//! mapped.
//!
//! Firmware names devices by *scopes*: paths of (device, function) pairs from some bus down
//! (ACPI DMAR; VIOT and IVRS say the same in other words). A driver publishes what it read as
//! data. The core compares it with where a device sits, and so gives each device the node of the
//! one unit that owns it; no driver is asked.

use iommu_ext::{
    addr::IovaRange,
    fwnode,
    vec::KVecExt, //
};
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    }, //
};

/// One step on the way from a root bus to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Bus number the function sits on.
    pub bus: u8,
    /// Device (bits 7:3) and function (bits 2:0) number.
    pub devfn: u8,
}

/// Where a PCI device sits.
pub struct Path<'a> {
    /// PCI segment (domain).
    pub segment: u32,
    /// The bridges above the device from the root bus down, and the device itself, last.
    pub hops: &'a [Hop],
}

/// A device, or a bridge and everything below it, as firmware names it.
///
/// Firmware says which of the two it means. Nothing is made of that: below a device there is nothing,
/// and what is below a bridge reaches memory through the bridge, whatever firmware calls it.
pub struct Scope {
    /// Bus number from which the path starts.
    pub start_bus: u8,
    /// Device and function number of each hop.
    pub path: KVec<u8>,
}

/// A unit, and the devices behind it.
pub struct Unit {
    /// The node that names the unit.
    pub key: fwnode::Key,
    /// PCI segment of the devices.
    pub segment: u32,
    /// Whether the unit has every device of the segment that no scope names.
    pub include_all: bool,
    /// The devices behind the unit.
    pub scopes: KVec<Scope>,
}

/// Memory that firmware has some devices use, so that it must stay mapped 1:1 for them.
pub struct ReservedMemory {
    /// The memory; IOVA and physical address are the same.
    pub range: IovaRange,
    /// PCI segment of the devices.
    pub segment: u32,
    /// The devices that use the memory.
    pub scopes: KVec<Scope>,
}

/// Root ports below which devices may use ATS: ask for translations ahead of their DMA, and cache
/// them (PCIe 10).
pub struct AtsPorts {
    /// PCI segment of the ports.
    pub segment: u32,
    /// Whether it is all ports of the segment.
    pub all: bool,
    /// The ports, if not.
    pub scopes: KVec<Scope>,
}

/// Devices for which hardware turns ATS on by itself.
pub struct AtsByHardware {
    /// PCI segment of the devices.
    pub segment: u32,
    /// The devices.
    pub scopes: KVec<Scope>,
}

/// All that one firmware table says.
pub struct Description {
    /// The units.
    pub units: KVec<Unit>,
    /// Memory in use by devices.
    pub reserved: KVec<ReservedMemory>,
    /// Where ATS may be used.
    pub ats_ports: KVec<AtsPorts>,
    /// Where it is none of the kernel's business.
    pub ats_by_hardware: KVec<AtsByHardware>,
}

global_lock! {
    /// The published descriptions. Initialised by the front end that owns the module.
    // SAFETY: `bridge` initialises it before the module's init returns.
    pub unsafe(uninit) static DESCRIPTIONS: Mutex<KVec<Arc<Description>>> = KVec::new();
}

/// Keeps a description published; dropping it withdraws the description.
pub struct Publication(Arc<Description>);

impl Publication {
    /// Publishes what a firmware table says.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(description: Description) -> Result<Self> {
        let description = Arc::new(description, GFP_KERNEL)?;
        DESCRIPTIONS
            .lock()
            .try_push(description.clone(), GFP_KERNEL)?;
        Ok(Self(description))
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let mut descriptions = DESCRIPTIONS.lock();
        descriptions.remove_where(|other| Arc::ptr_eq(other, &self.0));
        if descriptions.is_empty() {
            // A static is never dropped: give the memory back by hand.
            *descriptions = KVec::new();
        }
    }
}

/// The node of the unit that translates the device at `path`; `None` if firmware names none.
///
/// A scope that names the device counts before a unit that has all the others.
pub fn unit_of(path: &Path<'_>) -> Option<fwnode::Key> {
    let descriptions = DESCRIPTIONS.lock();
    let units = || {
        descriptions
            .iter()
            .flat_map(|description| description.units.iter())
            .filter(|unit| unit.segment == path.segment)
    };
    units()
        .find(|unit| unit.scopes.iter().any(|scope| scope.covers(path)))
        .or_else(|| units().find(|unit| unit.include_all))
        .map(|unit| unit.key)
}

/// Calls `f` with each range that must stay mapped 1:1 for the device at `path`.
pub fn reserved_for(path: &Path<'_>, mut f: impl FnMut(IovaRange)) {
    let descriptions = DESCRIPTIONS.lock();
    for memory in descriptions.iter().flat_map(|d| d.reserved.iter()) {
        if memory.segment == path.segment && memory.scopes.iter().any(|s| s.covers(path)) {
            f(memory.range);
        }
    }
}

/// Whether ATS may be turned on for the device at `path`: firmware says so of the root port above
/// it. Devices on a root bus have no port above them.
pub fn allows_ats(path: &Path<'_>) -> bool {
    let names = |segment: u32, scopes: &[Scope]| {
        segment == path.segment && scopes.iter().any(|scope| scope.covers(path))
    };
    let descriptions = DESCRIPTIONS.lock();
    let by_hardware = descriptions
        .iter()
        .flat_map(|description| description.ats_by_hardware.iter())
        .any(|devices| names(devices.segment, &devices.scopes));
    if by_hardware {
        return false;
    }
    if path.hops.len() == 1 {
        return true;
    }
    descriptions
        .iter()
        .flat_map(|description| description.ats_ports.iter())
        .any(|ports| {
            ports.all && ports.segment == path.segment || names(ports.segment, &ports.scopes)
        })
}

impl Scope {
    /// Whether the device at `path` is what this scope names, or below it.
    ///
    /// Firmware may start a path at the root bus or at any bus below it.
    pub fn covers(&self, path: &Path<'_>) -> bool {
        let Some(start) = path.hops.iter().position(|hop| hop.bus == self.start_bus) else {
            return false;
        };
        let hops = path.hops.get(start..).unwrap_or_default();
        hops.len() >= self.path.len()
            && !self.path.is_empty()
            && self
                .path
                .iter()
                .zip(hops)
                .all(|(devfn, hop)| *devfn == hop.devfn)
    }
}
