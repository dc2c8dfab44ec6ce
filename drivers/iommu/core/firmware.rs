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

/// Where a PCI device sits, as firmware sees it: a virtual function sits where its physical
/// function does, since firmware knows no virtual ones.
pub struct Path<'a> {
    /// PCI segment (domain).
    pub segment: u32,
    /// The bridges above the device from the root bus down, and the device itself, last.
    pub hops: &'a [Hop],
    /// Whether the device is a virtual function, and the last hop its physical one.
    pub is_virtual: bool,
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

/// Devices of the chip that cache translations, whatever is above them.
pub struct IntegratedDevices {
    /// PCI segment of the devices.
    pub segment: u32,
    /// Whether hardware turns ATS on for them by itself, so that it is none of the kernel's business.
    pub ats_by_hardware: bool,
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
    /// Where that does not depend on a port.
    pub integrated: KVec<IntegratedDevices>,
    /// Whether firmware has let no device reach memory before the kernel, reserved memory apart.
    pub pre_boot_protection: bool,
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
/// A scope that names the device counts before a unit that has all the others, whose own scopes are
/// of no account. Firmware should name a device once, and give a segment one unit that has all the
/// others. If not, the kernel's C driver takes the last unit in the table that names the device, and
/// the first that has all the others: so do we.
pub fn unit_of(path: &Path<'_>) -> Option<fwnode::Key> {
    let descriptions = DESCRIPTIONS.lock();
    let units = || {
        descriptions
            .iter()
            .flat_map(|description| description.units.iter())
            .filter(|unit| unit.segment == path.segment)
    };
    units()
        .filter(|unit| !unit.include_all && unit.scopes.iter().any(|scope| scope.covers(path)))
        .last()
        .or_else(|| units().find(|unit| unit.include_all))
        .map(|unit| unit.key)
}

/// Calls `f` with each range that must stay mapped 1:1 for the device at `path`.
///
/// What firmware has a physical function do is not what its virtual functions do: those are left out
/// unless the whole bridge above is meant.
pub fn reserved_for(path: &Path<'_>, mut f: impl FnMut(IovaRange)) {
    let descriptions = DESCRIPTIONS.lock();
    let is_meant = |scope: &Scope| scope.covers(path) && !(path.is_virtual && scope.names(path));
    for memory in descriptions.iter().flat_map(|d| d.reserved.iter()) {
        if memory.segment == path.segment && memory.scopes.iter().any(is_meant) {
            f(memory.range);
        }
    }
}

/// Whether ATS may be turned on for the device at `path`: firmware says so of the device itself, or
/// of the root port above it. Devices on a root bus have no port above them.
pub fn allows_ats(path: &Path<'_>) -> bool {
    let descriptions = DESCRIPTIONS.lock();
    let integrated = descriptions
        .iter()
        .flat_map(|description| description.integrated.iter())
        .find(|devices| {
            devices.segment == path.segment && devices.scopes.iter().any(|s| s.names(path))
        });
    if let Some(devices) = integrated {
        return !devices.ats_by_hardware;
    }
    let root_port = match path.hops {
        [_] => return true,
        [root_port, ..] => core::slice::from_ref(root_port),
        [] => return false,
    };
    let port = Path {
        segment: path.segment,
        hops: root_port,
        is_virtual: false,
    };
    descriptions
        .iter()
        .flat_map(|description| description.ats_ports.iter())
        .filter(|ports| ports.segment == path.segment)
        .any(|ports| ports.all || ports.scopes.iter().any(|scope| scope.names(&port)))
}

/// Whether firmware says that no device could reach memory before the kernel did, in the table that
/// describes the unit that `key` names.
pub fn had_pre_boot_protection(key: fwnode::Key) -> bool {
    let descriptions = DESCRIPTIONS.lock();
    descriptions.iter().any(|description| {
        description.pre_boot_protection && description.units.iter().any(|u| u.key == key)
    })
}

impl Scope {
    /// Whether the device at `path` is what this scope names, or below it.
    ///
    /// Firmware may start a path at the root bus or at any bus below it.
    pub fn covers(&self, path: &Path<'_>) -> bool {
        self.hops_below(path).is_some()
    }

    /// Whether the device at `path` is what this scope names.
    pub fn names(&self, path: &Path<'_>) -> bool {
        self.hops_below(path) == Some(0)
    }

    /// How many hops the device at `path` is below what this scope names; `None` if it is not.
    fn hops_below(&self, path: &Path<'_>) -> Option<usize> {
        let start = path.hops.iter().position(|hop| hop.bus == self.start_bus)?;
        let hops = path.hops.get(start..)?;
        let below = hops.len().checked_sub(self.path.len())?;
        let leads_there = !self.path.is_empty()
            && self
                .path
                .iter()
                .zip(hops)
                .all(|(devfn, hop)| *devfn == hop.devfn);
        leads_there.then_some(below)
    }
}

/// For the suites: descriptions put together from parts.
#[cfg(any(test, CONFIG_KUNIT = "y"))]
pub(crate) mod made_up {
    use super::*;

    /// A list.
    pub(crate) fn list<T, const N: usize>(items: [T; N]) -> Result<KVec<T>> {
        let mut list = KVec::new();
        for item in items {
            list.try_push(item, GFP_KERNEL)?;
        }
        Ok(list)
    }

    /// A scope that starts on a bus.
    pub(crate) fn scope<const N: usize>(start_bus: u8, path: [u8; N]) -> Result<Scope> {
        let path = list(path)?;
        Ok(Scope { start_bus, path })
    }

    /// Nothing at all.
    pub(crate) const fn nothing() -> Description {
        Description {
            units: KVec::new(),
            reserved: KVec::new(),
            ats_ports: KVec::new(),
            integrated: KVec::new(),
            pre_boot_protection: false,
        }
    }

    /// Memory that devices of a segment use.
    pub(crate) fn memory<const N: usize>(
        segment: u32,
        first: u64,
        scopes: [Scope; N],
    ) -> Result<ReservedMemory> {
        use iommu_ext::addr::Iova;
        Ok(ReservedMemory {
            range: IovaRange::new(Iova(first), Iova(first | 0xfff)).ok_or(EINVAL)?,
            segment,
            scopes: list(scopes)?,
        })
    }

    /// The hop to a function.
    pub(crate) const fn hop(bus: u8, device: u8, function: u8) -> Hop {
        Hop {
            bus,
            devfn: device << 3 | function,
        }
    }
}

#[kernel::macros::kunit_tests(rust_iommu_firmware)]
mod tests {
    use super::{
        made_up::{
            hop,
            list,
            memory,
            nothing,
            scope, //
        },
        *, //
    };
    use iommu_ext::fwnode::SoftwareNode;

    /// Each test has segments of its own, that no machine has: suites run side by side, and beside
    /// real units.
    const SEGMENTS: u32 = 0x2_0000;

    const fn at(segment: u32, hops: &[Hop]) -> Path<'_> {
        Path {
            segment,
            hops,
            is_virtual: false,
        }
    }

    const fn virtual_at(segment: u32, hops: &[Hop]) -> Path<'_> {
        Path {
            segment,
            hops,
            is_virtual: true,
        }
    }

    fn unit<const N: usize>(
        node: &SoftwareNode,
        segment: u32,
        include_all: bool,
        scopes: [Scope; N],
    ) -> Result<Unit> {
        Ok(Unit {
            key: node.key(),
            segment,
            include_all,
            scopes: list(scopes)?,
        })
    }

    /// The only range that is reserved; `None` if there are more, or none.
    fn only_reserved(path: &Path<'_>) -> Option<u64> {
        let mut found = (0u32, 0);
        reserved_for(path, |range| {
            found = (found.0.saturating_add(1), range.first().0)
        });
        (found.0 == 1).then_some(found.1)
    }

    fn is_reserved(path: &Path<'_>) -> bool {
        let mut is_reserved = false;
        reserved_for(path, |_| is_reserved = true);
        is_reserved
    }

    #[test]
    fn scopes_name_a_device_or_a_bridge_with_all_below() -> Result {
        let port = [hop(0, 0x1c, 4)];
        let below = [hop(0, 0x1c, 4), hop(5, 0, 0)];
        let deeper = [hop(0, 0x1c, 4), hop(5, 0, 0), hop(6, 3, 1)];
        // A path from the root bus.
        let bridge = scope(0, [0x1c << 3 | 4])?;
        for (hops, names) in [(&port[..], true), (&below, false), (&deeper, false)] {
            assert!(bridge.covers(&at(0, hops)));
            assert_eq!(bridge.names(&at(0, hops)), names);
        }
        let two_steps = scope(0, [0x1c << 3 | 4, 0])?;
        assert!(!two_steps.covers(&at(0, &port)));
        assert!(two_steps.names(&at(0, &below)));
        assert!(two_steps.covers(&at(0, &deeper)) && !two_steps.names(&at(0, &deeper)));
        // A path from a bus below.
        let device = scope(6, [3 << 3 | 1])?;
        assert!(device.names(&at(0, &deeper)));
        assert!(!device.covers(&at(0, &below)) && !device.covers(&at(0, &port)));
        // Another device, function, or bus, and no step at all.
        assert!(!scope(0, [0x1d << 3 | 4])?.covers(&at(0, &port)));
        assert!(!scope(0, [0x1c << 3 | 5])?.covers(&at(0, &port)));
        assert!(!scope(1, [0x1c << 3 | 4])?.covers(&at(0, &port)));
        assert!(!scope(0, [0x1c << 3 | 4, 1])?.covers(&at(0, &deeper)));
        assert!(!scope(0, [])?.covers(&at(0, &port)));
        Ok(())
    }

    #[test]
    fn a_device_belongs_to_the_unit_that_names_it() -> Result {
        const SEGMENT: u32 = SEGMENTS;
        let nodes = [
            SoftwareNode::new()?,
            SoftwareNode::new()?,
            SoftwareNode::new()?,
        ];
        let [graphics, others, elsewhere] = &nodes;
        let named = [hop(0, 2, 0)];
        let unnamed = [hop(0, 3, 0)];
        let publication = Publication::new(Description {
            units: list([
                // In a table the one that has all the others may come first.
                unit(others, SEGMENT, true, [])?,
                unit(graphics, SEGMENT, false, [scope(0, [2 << 3])?])?,
                unit(elsewhere, SEGMENT + 1, false, [scope(0, [2 << 3])?])?,
            ])?,
            ..nothing()
        })?;
        assert!(unit_of(&at(SEGMENT, &named)) == Some(graphics.key()));
        assert!(unit_of(&virtual_at(SEGMENT, &named)) == Some(graphics.key()));
        assert!(unit_of(&at(SEGMENT, &unnamed)) == Some(others.key()));
        assert!(unit_of(&at(SEGMENT + 1, &named)) == Some(elsewhere.key()));
        assert!(unit_of(&at(SEGMENT + 1, &unnamed)).is_none());
        assert!(unit_of(&at(SEGMENT + 2, &named)).is_none());
        drop(publication);
        assert!(unit_of(&at(SEGMENT, &named)).is_none());
        Ok(())
    }

    /// The order is that of the kernel's C driver: a table that says two things gives the same groups.
    #[test]
    fn of_units_that_contradict_each_other_one_is_chosen() -> Result {
        const SEGMENT: u32 = SEGMENTS + 0x10;
        let nodes = [
            SoftwareNode::new()?,
            SoftwareNode::new()?,
            SoftwareNode::new()?,
            SoftwareNode::new()?,
        ];
        let [first, second, all, rival] = &nodes;
        let _publication = Publication::new(Description {
            units: list([
                unit(first, SEGMENT, false, [scope(0, [2 << 3])?])?,
                // Its own scopes are of no account.
                unit(all, SEGMENT, true, [scope(0, [2 << 3])?])?,
                unit(second, SEGMENT, false, [scope(0, [2 << 3])?])?,
                unit(rival, SEGMENT, true, [])?,
            ])?,
            ..nothing()
        })?;
        assert!(unit_of(&at(SEGMENT, &[hop(0, 2, 0)])) == Some(second.key()));
        assert!(unit_of(&at(SEGMENT, &[hop(0, 3, 0)])) == Some(all.key()));
        Ok(())
    }

    #[test]
    fn memory_is_reserved_for_the_devices_that_firmware_names() -> Result {
        const SEGMENT: u32 = SEGMENTS + 0x20;
        let usb = [hop(0, 0x14, 0)];
        let port = [hop(0, 0x1c, 0)];
        let below = [hop(0, 0x1c, 0), hop(2, 0, 0)];
        let _publication = Publication::new(Description {
            reserved: list([
                memory(SEGMENT, 0x1000, [scope(0, [0x14 << 3])?])?,
                memory(SEGMENT, 0x2000, [scope(0, [0x1c << 3])?])?,
            ])?,
            ..nothing()
        })?;
        assert_eq!(only_reserved(&at(SEGMENT, &usb)), Some(0x1000));
        assert_eq!(only_reserved(&at(SEGMENT, &port)), Some(0x2000));
        assert_eq!(only_reserved(&at(SEGMENT, &below)), Some(0x2000));
        assert!(!is_reserved(&at(SEGMENT, &[hop(0, 0x15, 0)])));
        assert!(!is_reserved(&at(SEGMENT + 1, &usb)));
        Ok(())
    }

    #[test]
    fn virtual_functions_do_not_inherit_what_their_physical_one_uses() -> Result {
        const SEGMENT: u32 = SEGMENTS + 0x30;
        let card = [hop(0, 0x1c, 0), hop(2, 0, 0)];
        let _publication = Publication::new(Description {
            reserved: list([memory(SEGMENT, 0x1000, [scope(0, [0x1c << 3, 0])?])?])?,
            ..nothing()
        })?;
        assert!(is_reserved(&at(SEGMENT, &card)));
        assert!(!is_reserved(&virtual_at(SEGMENT, &card)));
        let _publication = Publication::new(Description {
            reserved: list([memory(SEGMENT, 0x2000, [scope(0, [0x1c << 3])?])?])?,
            ..nothing()
        })?;
        assert_eq!(only_reserved(&virtual_at(SEGMENT, &card)), Some(0x2000));
        Ok(())
    }

    #[test]
    fn ats_where_firmware_allows_it() -> Result {
        const SEGMENT: u32 = SEGMENTS + 0x40;
        let allowed = [hop(0, 0x1c, 0), hop(2, 0, 0)];
        let refused = [hop(0, 0x1d, 0), hop(3, 0, 0)];
        let integrated = [hop(0, 5, 0)];
        let by_hardware = [hop(0, 2, 0)];
        let _publication = Publication::new(Description {
            ats_ports: list([
                AtsPorts {
                    segment: SEGMENT,
                    all: false,
                    // The second is no root port.
                    scopes: list([scope(0, [0x1c << 3])?, scope(0, [0x1d << 3, 0])?])?,
                },
                AtsPorts {
                    segment: SEGMENT + 1,
                    all: true,
                    scopes: KVec::new(),
                },
            ])?,
            integrated: list([
                IntegratedDevices {
                    segment: SEGMENT,
                    ats_by_hardware: true,
                    scopes: list([scope(0, [2 << 3])?])?,
                },
                IntegratedDevices {
                    segment: SEGMENT + 2,
                    ats_by_hardware: false,
                    scopes: list([scope(0, [0x1d << 3, 0])?])?,
                },
            ])?,
            ..nothing()
        })?;
        for (segment, hops, allows) in [
            (SEGMENT, &allowed[..], true),
            (SEGMENT, &refused, false),
            (SEGMENT, &integrated, true),
            (SEGMENT, &by_hardware, false),
            (SEGMENT, &[], false),
            (SEGMENT + 1, &refused, true),
            (SEGMENT + 1, &by_hardware, true),
            (SEGMENT + 2, &refused, true),
            (SEGMENT + 2, &allowed, false),
        ] {
            assert_eq!(allows_ats(&at(segment, hops)), allows);
            assert_eq!(allows_ats(&virtual_at(segment, hops)), allows);
        }
        Ok(())
    }

    #[test]
    fn protection_before_boot_is_said_of_all_units_of_a_table() -> Result {
        const SEGMENT: u32 = SEGMENTS + 0x50;
        let [protected, open] = [SoftwareNode::new()?, SoftwareNode::new()?];
        let _first = Publication::new(Description {
            units: list([unit(&protected, SEGMENT, false, [])?])?,
            pre_boot_protection: true,
            ..nothing()
        })?;
        let _second = Publication::new(Description {
            units: list([unit(&open, SEGMENT, false, [])?])?,
            ..nothing()
        })?;
        assert!(had_pre_boot_protection(protected.key()));
        assert!(!had_pre_boot_protection(open.key()));
        Ok(())
    }
}
