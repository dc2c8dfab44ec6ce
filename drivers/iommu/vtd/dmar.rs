// SPDX-License-Identifier: GPL-2.0

//! The DMAR table: what firmware says about remapping units (VT-d chapter 8).
//!
//! [`parse`] turns the bytes into values of their own. The table is not trusted: each structure
//! must fit where it is, and what is kept of it must make sense; otherwise the whole table is
//! refused, with the offset of what is wrong. Structures of a type that is not known are passed
//! over, as the specification demands (8.2), and noted.

mod span;
mod structure;

use iommu_ext::vec::KVecExt;
use kernel::{
    alloc::AllocError,
    fmt,
    prelude::*,
    str::CString, //
};
use span::Span;

/// Why a table is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// The table does not say what it must.
    Malformed {
        /// Where, in bytes from the start of the table.
        offset: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// There is no memory to keep what the table says.
    NoMemory,
}

type Result<T> = core::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { offset, expected } => {
                write!(f, "at offset {offset:#x}: expected {expected}")
            }
            Self::NoMemory => f.write_str("out of memory"),
        }
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}

/// What a DMAR table says.
#[derive(Debug)]
pub(crate) struct Dmar {
    /// Width of the physical addresses that DMA can reach, in bits; 64 at most (8.1).
    pub(crate) address_bits: u8,
    /// The remapping units, at least one (8.3).
    pub(crate) units: KVec<Unit>,
    /// Memory that devices use without a driver (8.4).
    pub(crate) reserved: KVec<ReservedMemory>,
    /// Root ports below which devices may use ATS (8.5).
    pub(crate) root_ports: KVec<RootPorts>,
    /// Where units sit in the machine (8.6).
    affinities: KVec<Affinity>,
    /// Devices that scopes name by a number, as they are no PCI devices (8.7).
    namespace: KVec<NamespaceDevice>,
    /// Devices of the chip that cache translations (8.8).
    pub(crate) integrated: KVec<IntegratedDevices>,
    /// What was passed over.
    pub(crate) notes: KVec<Note>,
}

/// A remapping unit: a DRHD structure (8.3).
#[derive(Debug)]
pub(crate) struct Unit {
    /// PCI segment of its devices.
    pub(crate) segment: u16,
    /// Whether it has every device of the segment that no unit's scopes name.
    pub(crate) include_all: bool,
    /// Physical address of the registers; 4 KiB aligned, not 0.
    pub(crate) base: u64,
    /// Bytes of registers.
    pub(crate) size: usize,
    /// The devices behind it.
    pub(crate) scopes: KVec<Scope>,
}

/// Memory that must stay mapped 1:1 for some devices: an RMRR structure (8.4).
#[derive(Debug)]
pub(crate) struct ReservedMemory {
    /// PCI segment of the devices.
    pub(crate) segment: u16,
    /// First byte; 4 KiB aligned.
    pub(crate) first: u64,
    /// Last byte, the last one of a page.
    pub(crate) last: u64,
    /// The devices.
    pub(crate) scopes: KVec<Scope>,
}

/// Root ports that let devices ask for translations and cache them: an ATSR structure (8.5).
#[derive(Debug)]
pub(crate) struct RootPorts {
    /// PCI segment of the ports.
    pub(crate) segment: u16,
    /// Whether it is all ports of the segment.
    pub(crate) all: bool,
    /// The ports, if not.
    pub(crate) scopes: KVec<Scope>,
}

/// Where a unit sits: an RHSA structure (8.6).
#[derive(Debug)]
struct Affinity {
    /// Physical address of the unit's registers.
    base: u64,
    /// Its proximity domain.
    proximity: u32,
}

/// A device of the ACPI namespace: an ANDD structure (8.7).
#[derive(Debug)]
struct NamespaceDevice {
    /// What scopes call it.
    number: u8,
    /// Its path in the namespace.
    name: CString,
}

/// Devices of the chip that cache translations: a SATC structure (8.8).
#[derive(Debug)]
pub(crate) struct IntegratedDevices {
    /// PCI segment of the devices.
    pub(crate) segment: u16,
    /// Whether they do not work without their cache.
    pub(crate) required: bool,
    /// The devices.
    pub(crate) scopes: KVec<Scope>,
}

/// What a scope names (8.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ScopeKind {
    /// A PCI endpoint.
    Endpoint,
    /// A PCI bridge, and all behind it.
    SubHierarchy,
    /// An I/O APIC.
    IoApic,
    /// An HPET that sends its interrupts as messages.
    Hpet,
    /// A device of the ACPI namespace that is not a PCI device.
    Namespace,
}

/// A device, or a bridge with all behind it (8.3.1).
#[derive(Debug)]
pub(crate) struct Scope {
    /// What it is.
    pub(crate) kind: ScopeKind,
    /// Number of a device of the namespace, of an I/O APIC, or of an HPET.
    enumeration: u8,
    /// Bus on which the path starts.
    pub(crate) start_bus: u8,
    /// Device and function from bus to bus; at least one.
    pub(crate) path: KVec<Hop>,
}

/// One step of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hop {
    /// Device number, below 32.
    pub(crate) device: u8,
    /// Function number, below 8.
    pub(crate) function: u8,
}

/// Something that was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    /// Where, in bytes from the start of the table.
    pub(crate) offset: usize,
    /// What it is.
    pub(crate) what: &'static str,
}

/// Bytes before the first structure: the ACPI header, the address width, the flags, and what is
/// reserved.
const HEADER_LEN: usize = 48;

/// More structures than any machine has.
const MAX_STRUCTURES: usize = 1024;

/// Parses a table.
///
/// # Errors
///
/// See [`Error`].
pub(crate) fn parse(bytes: &[u8]) -> Result<Dmar> {
    let table = Span { bytes, offset: 0 };
    if table.array(0)? != *b"DMAR" {
        return Err(table.error(0, "the signature DMAR"));
    }
    // CAST: To a wider type.
    let table = table.first(4, table.u32(4)? as usize, HEADER_LEN)?;
    if table
        .bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
        != 0
    {
        return Err(table.error(9, "a checksum that makes the bytes add up to 0"));
    }
    let address_bits = match table.u8(36)? {
        width @ 0..=63 => width.wrapping_add(1),
        _ => return Err(table.error(36, "a host address width of 64 bits at most")),
    };
    let mut dmar = Dmar {
        address_bits,
        units: KVec::new(),
        reserved: KVec::new(),
        root_ports: KVec::new(),
        affinities: KVec::new(),
        namespace: KVec::new(),
        integrated: KVec::new(),
        notes: KVec::new(),
    };

    let mut rest = table.from(HEADER_LEN);
    for _ in 0..MAX_STRUCTURES {
        if rest.bytes.is_empty() {
            if dmar.units.is_empty() {
                return Err(rest.error(0, "a remapping unit (DRHD) before the end"));
            }
            return Ok(dmar);
        }
        let structure = rest.first(2, rest.u16(2)?.into(), 4)?;
        dmar.add(&structure)?;
        rest = rest.from(structure.bytes.len());
    }
    Err(rest.error(0, "no more than 1024 structures"))
}

impl Dmar {
    /// Takes in one structure. Their types are listed in 8.2.
    fn add(&mut self, structure: &Span<'_>) -> Result<()> {
        let notes = &mut self.notes;
        match structure.u16(0)? {
            0 => {
                let unit = Unit::parse(structure, notes)?;
                self.check(&unit, structure)?;
                self.units.try_push(unit, GFP_KERNEL)?;
            }
            1 => {
                let reserved = ReservedMemory::parse(structure, notes)?;
                if !self.reaches(reserved.last) {
                    return Err(structure.error(16, "a limit within the host address width"));
                }
                self.reserved.try_push(reserved, GFP_KERNEL)?;
            }
            2 => {
                let ports = RootPorts::parse(structure, notes)?;
                self.root_ports.try_push(ports, GFP_KERNEL)?;
            }
            3 => {
                let affinity = Affinity::parse(structure)?;
                self.affinities.try_push(affinity, GFP_KERNEL)?;
            }
            4 => {
                let device = NamespaceDevice::parse(structure)?;
                self.namespace.try_push(device, GFP_KERNEL)?;
            }
            5 => {
                let devices = IntegratedDevices::parse(structure, notes)?;
                self.integrated.try_push(devices, GFP_KERNEL)?;
            }
            6 => structure::check_properties(structure, notes)?,
            _ => {
                let note = Note {
                    offset: structure.offset,
                    what: "structure of unknown type passed over",
                };
                notes.try_push(note, GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// The proximity domain that `unit` belongs to, as ACPI's SRAT numbers them; `None` if the
    /// table does not say.
    pub(crate) fn proximity_of(&self, unit: &Unit) -> Option<u32> {
        self.affinities
            .iter()
            .find(|affinity| affinity.base == unit.base)
            .map(|affinity| affinity.proximity)
    }

    /// The names of the devices behind `unit` that are no PCI devices.
    pub(crate) fn namespace_of<'a>(&'a self, unit: &'a Unit) -> impl Iterator<Item = &'a CStr> {
        unit.scopes
            .iter()
            .filter(|scope| scope.kind == ScopeKind::Namespace)
            .filter_map(|scope| {
                let is_meant = |device: &&NamespaceDevice| device.number == scope.enumeration;
                self.namespace.iter().find(is_meant)
            })
            .map(|device| &*device.name)
    }

    /// Whether there can be something at this physical address.
    fn reaches(&self, address: u64) -> bool {
        address
            .checked_shr(self.address_bits.into())
            .is_none_or(|beyond| beyond == 0)
    }

    /// Checks a unit against the header, and against the units before it.
    fn check(&self, unit: &Unit, structure: &Span<'_>) -> Result<()> {
        // CAST: To a wider type. Neither wraps: `Unit::parse` has checked the end.
        let end = unit.base.saturating_add(unit.size as u64);
        if !self.reaches(end.saturating_sub(1)) {
            return Err(structure.error(8, "registers within the host address width"));
        }
        if self.units.iter().any(|other| other.base == unit.base) {
            return Err(structure.error(8, "registers that no other unit has"));
        }
        let is_rival = |other: &Unit| other.include_all && other.segment == unit.segment;
        if unit.include_all && self.units.iter().any(is_rival) {
            return Err(structure.error(4, "INCLUDE_ALL for no more than one unit of a segment"));
        }
        Ok(())
    }
}
