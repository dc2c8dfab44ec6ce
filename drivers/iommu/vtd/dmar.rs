// SPDX-License-Identifier: GPL-2.0

//! The DMAR table: what firmware says about remapping units (VT-d chapter 8).
//!
//! [`parse`] turns the bytes into values of their own. The table is not trusted, and firmware is full
//! of mistakes that nobody has noticed, as the kernel's own driver passes over most of them. What
//! is wrong costs what it describes, and no more:
//!
//! | wrong | costs |
//! |---|---|
//! | the checksum, the address width, a reserved bit | nothing |
//! | a structure without its fixed fields | that structure; of a unit, the table |
//! | a structure of no length | what would follow, as in the kernel's own driver |
//! | a device scope | that scope, or those after it in its structure if its length is wrong |
//! | reserved memory whose ends are not those of pages | nothing: it is widened |
//! | reserved memory that ends before it starts | that memory |
//! | a unit whose registers cannot be where it says | that unit ([`Unit::fault`]): it keeps its devices |
//! | a unit that is described twice | the second description |
//!
//! Each is a [`Note`], which the driver writes to the log. Refused is only what is no DMAR table,
//! one without a unit, and one in which a unit may be lost: as a structure passes the end, or that
//! of a unit is too short. Its devices would count as those of the unit that has all the others,
//! while nothing translates their DMA. Structures of a type that is not known are passed over, as the
//! specification demands (8.2).

mod note;
mod span;
mod structure;
mod width;

use iommu_ext::vec::KVecExt;
use kernel::{
    alloc::AllocError,
    fmt,
    prelude::*,
    str::CString, //
};
pub(crate) use note::{
    About,
    Notes, //
};
use span::Span;

/// Why a table is refused, or a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// It does not say what it must.
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
    /// Width of the physical addresses that DMA can reach, in bits, as firmware says: 1 to 256
    /// (8.1). See [`settle_width`](Self::settle_width).
    said_bits: u16,
    /// What the platform asks for (8.1).
    pub(crate) flags: Flags,
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
    /// What is wrong, or was passed over.
    pub(crate) notes: Notes,
}

/// The flags of the table (8.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags {
    /// INTR_REMAP: the platform can remap interrupts.
    pub(crate) interrupt_remapping: bool,
    /// X2APIC_OPT_OUT: the CPUs are to stay out of x2APIC mode.
    pub(crate) no_x2apic: bool,
    /// DMA_CTRL_PLATFORM_OPT_IN_FLAG: firmware has let no device reach memory before the kernel,
    /// reserved memory apart, and asks that the kernel keeps to that.
    pub(crate) dma_control_opt_in: bool,
}

/// A remapping unit: a DRHD structure (8.3).
#[derive(Debug)]
pub(crate) struct Unit {
    /// PCI segment of its devices.
    pub(crate) segment: u16,
    /// Whether it has every device of the segment that no unit's scopes name.
    pub(crate) include_all: bool,
    /// Physical address of the registers. How many there are, registers say; the size in the table,
    /// which firmware gets wrong, is not read.
    pub(crate) base: u64,
    /// The devices behind it.
    pub(crate) scopes: KVec<Scope>,
    /// Why there can be no such unit; `None` if there can.
    pub(crate) fault: Option<&'static str>,
}

/// Memory that must stay mapped 1:1 for some devices: an RMRR structure (8.4).
#[derive(Debug)]
pub(crate) struct ReservedMemory {
    /// Where the structure is, in bytes from the start of the table.
    offset: usize,
    /// PCI segment of the devices.
    pub(crate) segment: u16,
    /// First byte, the first one of a page.
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
    /// Where the structure is, in bytes from the start of the table.
    offset: usize,
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

/// Bytes before the first structure: the ACPI header, the address width, the flags, and what is
/// reserved.
const HEADER_LEN: usize = 48;

/// The type of a structure that describes a unit (8.3).
const UNIT: u16 = 0;

/// Bytes of a structure's header: type and length (8.2).
const STRUCTURE_HEADER_LEN: usize = 4;

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
    let flags = table.u8(37)?;
    let mut dmar = Dmar {
        said_bits: u16::from(table.u8(36)?).saturating_add(1),
        flags: Flags {
            interrupt_remapping: flags & 1 << 0 != 0,
            no_x2apic: flags & 1 << 1 != 0,
            dma_control_opt_in: flags & 1 << 2 != 0,
        },
        units: KVec::new(),
        reserved: KVec::new(),
        root_ports: KVec::new(),
        affinities: KVec::new(),
        namespace: KVec::new(),
        integrated: KVec::new(),
        notes: Notes::new(),
    };
    let sum = table.bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    if sum != 0 {
        // ACPI itself warns, and goes on.
        dmar.notes.fault(
            9,
            "the checksum is wrong",
            About::Nothing,
            "the table is read all the same",
        )?;
    }

    let mut rest = table.from(HEADER_LEN);
    while let Some(structure) = rest.next_structure(&mut dmar.notes)? {
        match dmar.add(&structure) {
            Err(Error::Malformed { offset, expected }) if structure.u16(0)? != UNIT => {
                dmar.notes
                    .lost(offset, expected, "the structure is passed over")?;
            }
            other => other?,
        }
        // As it is never empty, this comes to an end.
        rest = rest.from(structure.bytes.len());
    }
    dmar.check_affinities()?;
    if dmar.units.is_empty() {
        return Err(table.error(HEADER_LEN, "a remapping unit (DRHD)"));
    }
    Ok(dmar)
}

impl<'a> Span<'a> {
    /// The structure at the start; `None` at the end, and at a structure of no length.
    ///
    /// # Errors
    ///
    /// `Malformed`: it passes the end of the table, or has no room for its own header.
    fn next_structure(&self, notes: &mut Notes) -> Result<Option<Span<'a>>> {
        const LOST: &str = "the rest of the table is not read";
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let len = match self.u16(2) {
            Ok(len) => usize::from(len),
            Err(_) => {
                notes.lost(self.offset, "a structure, or the end of the table", LOST)?;
                return Ok(None);
            }
        };
        if len == 0 {
            let at = self.offset.saturating_add(2);
            notes.lost(at, "the length of a structure", LOST)?;
            return Ok(None);
        }
        self.first(2, len, STRUCTURE_HEADER_LEN).map(Some)
    }
}

impl Dmar {
    /// Takes in one structure. Their types are listed in 8.2.
    ///
    /// # Errors
    ///
    /// `Malformed`: it is as if the structure was not there.
    fn add(&mut self, structure: &Span<'_>) -> Result<()> {
        let notes = &mut self.notes;
        match structure.u16(0)? {
            UNIT => {
                let unit = Unit::parse(structure, notes)?;
                self.add_unit(unit, structure.offset)?;
            }
            1 => {
                if let Some(reserved) = ReservedMemory::parse(structure, notes)? {
                    self.reserved.try_push(reserved, GFP_KERNEL)?;
                }
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
            // SIDP: properties that matter to scalable mode only (8.9).
            6 => (),
            kind => notes.passed_over(structure.offset, "structure of unknown type", kind)?,
        }
        Ok(())
    }

    /// Takes in a unit, if it is another one than those before it.
    fn add_unit(&mut self, mut unit: Unit, offset: usize) -> Result<()> {
        let is_same = |other: &&Unit| other.base == unit.base && unit.fault.is_none();
        match self.units.iter().find(is_same) {
            // What the second one says about devices may be true, but the kernel's own driver does
            // not read it: no system depends on it.
            Some(first) if first.segment == unit.segment => {
                return self.notes.fault(
                    offset,
                    "a second description of the unit at",
                    About::Address(unit.base),
                    "the first one counts",
                );
            }
            Some(_) => unit.fault = Some("has the registers of a unit of another segment"),
            None => (),
        }
        let is_rival = |other: &Unit| other.include_all && other.segment == unit.segment;
        if unit.include_all && self.units.iter().any(is_rival) {
            self.notes.fault(
                offset,
                "a second unit that has all the other devices, at",
                About::Address(unit.base),
                "the first one has them",
            )?;
        }
        self.units.try_push(unit, GFP_KERNEL)?;
        Ok(())
    }

    /// Notes the affinities of units that there are not.
    fn check_affinities(&mut self) -> Result<()> {
        for affinity in self.affinities.iter() {
            if !self.units.iter().any(|unit| unit.base == affinity.base) {
                self.notes.fault(
                    affinity.offset,
                    "there is no unit at",
                    About::Address(affinity.base),
                    "where it would sit does not matter",
                )?;
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

    /// The devices behind `unit` that are no PCI devices: their names, and the requester IDs that
    /// their DMA carries.
    pub(crate) fn namespace_of<'a>(
        &'a self,
        unit: &'a Unit,
    ) -> impl Iterator<Item = (&'a CStr, u16)> {
        unit.scopes
            .iter()
            .filter(|scope| scope.kind == ScopeKind::Namespace)
            .filter_map(|scope| {
                let is_meant = |device: &&NamespaceDevice| device.number == scope.enumeration;
                let device = self.namespace.iter().find(is_meant)?;
                // A device of the chip, on the bus that the path starts from.
                let hop = scope.path.first()?;
                let rid = [scope.start_bus, hop.device << 3 | hop.function];
                Some((&*device.name, u16::from_be_bytes(rid)))
            })
    }
}
