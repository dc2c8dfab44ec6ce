// SPDX-License-Identifier: GPL-2.0

//! The DMAR table: what firmware says about remapping units (VT-d chapter 8).
//!
//! [`parse`] turns the bytes into values of their own. The table is not trusted: each structure
//! must fit where it is, and what is kept of it must make sense; otherwise the whole table is
//! refused, with the offset of what is wrong. Structures of a type that is not known are passed
//! over, as the specification demands (8.2), and so are those that nobody asks for; both are
//! noted.

use kernel::{
    alloc::AllocError,
    fmt,
    prelude::*, //
};

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

/// Pages of 4 KiB.
const PAGE: u64 = 4096;

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
        let what = match structure.u16(0)? {
            0 => {
                let unit = Unit::parse(structure, &mut self.notes)?;
                self.check(&unit, structure)?;
                return Ok(self.units.push(unit, GFP_KERNEL)?);
            }
            1 => {
                let reserved = ReservedMemory::parse(structure, &mut self.notes)?;
                return Ok(self.reserved.push(reserved, GFP_KERNEL)?);
            }
            2 => structure.with_fields(8, "ATSR structure passed over")?,
            3 => structure.with_fields(20, "RHSA structure passed over")?,
            4 => structure.with_fields(9, "ANDD structure passed over")?,
            5 => structure.with_fields(8, "SATC structure passed over")?,
            6 => structure.with_fields(8, "SIDP structure passed over")?,
            _ => "structure of unknown type passed over",
        };
        let note = Note {
            offset: structure.offset,
            what,
        };
        Ok(self.notes.push(note, GFP_KERNEL)?)
    }

    /// Checks a unit against those before it.
    fn check(&self, unit: &Unit, structure: &Span<'_>) -> Result<()> {
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

impl Unit {
    fn parse(drhd: &Span<'_>, notes: &mut KVec<Note>) -> Result<Self> {
        const LEN: usize = 16;
        drhd.with_fields(LEN, ())?;
        // 4 KiB times 2^n, n having four bits.
        let size = 4096 << (drhd.u8(5)? & 0xf);
        let base = drhd.u64(8)?;
        if base == 0 || base % PAGE != 0 {
            return Err(drhd.error(8, "a 4 KiB aligned address of registers, not 0"));
        }
        if base.checked_add(size).is_none() {
            return Err(drhd.error(8, "registers that end below 2^64"));
        }
        Ok(Self {
            segment: drhd.u16(6)?,
            include_all: drhd.u8(4)? & 1 != 0,
            base,
            // CAST: 2^27 at most.
            size: size as usize,
            scopes: parse_scopes(drhd.from(LEN), notes)?,
        })
    }
}

impl ReservedMemory {
    fn parse(rmrr: &Span<'_>, notes: &mut KVec<Note>) -> Result<Self> {
        const LEN: usize = 24;
        rmrr.with_fields(LEN, ())?;
        let first = rmrr.u64(8)?;
        let last = rmrr.u64(16)?;
        if first % PAGE != 0 {
            return Err(rmrr.error(8, "a 4 KiB aligned base"));
        }
        if last % PAGE != PAGE - 1 {
            return Err(rmrr.error(16, "a limit that is the last byte of a page"));
        }
        if last < first {
            return Err(rmrr.error(16, "a limit above the base"));
        }
        let scopes = parse_scopes(rmrr.from(LEN), notes)?;
        Ok(Self {
            segment: rmrr.u16(6)?,
            first,
            last,
            scopes,
        })
    }
}

fn parse_scopes(mut rest: Span<'_>, notes: &mut KVec<Note>) -> Result<KVec<Scope>> {
    let mut scopes = KVec::new();
    while !rest.bytes.is_empty() {
        let scope = rest.first(1, rest.u8(1)?.into(), Scope::HEADER_LEN)?;
        match Scope::parse(&scope)? {
            Some(scope) => scopes.push(scope, GFP_KERNEL)?,
            None => {
                let what = "device scope of unknown type passed over";
                notes.push(
                    Note {
                        offset: scope.offset,
                        what,
                    },
                    GFP_KERNEL,
                )?;
            }
        }
        rest = rest.from(scope.bytes.len());
    }
    Ok(scopes)
}

impl Scope {
    /// Bytes before the path.
    const HEADER_LEN: usize = 6;

    /// `None` if it is of an unknown type.
    fn parse(scope: &Span<'_>) -> Result<Option<Self>> {
        let kind = match scope.u8(0)? {
            1 => ScopeKind::Endpoint,
            2 => ScopeKind::SubHierarchy,
            3 => ScopeKind::IoApic,
            4 => ScopeKind::Hpet,
            5 => ScopeKind::Namespace,
            _ => return Ok(None),
        };
        let hops = scope.from(Self::HEADER_LEN);
        if hops.bytes.is_empty() || hops.bytes.len() % 2 != 0 {
            return Err(scope.error(1, "a length of 6 and 2 for each step of a path"));
        }
        let mut path = KVec::new();
        for (step, hop) in hops.bytes.chunks_exact(2).enumerate() {
            match hop {
                [device @ 0..=31, function @ 0..=7] => {
                    path.push(
                        Hop {
                            device: *device,
                            function: *function,
                        },
                        GFP_KERNEL,
                    )?;
                }
                _ => {
                    let at = step.wrapping_mul(2);
                    return Err(hops.error(at, "a device below 32 and a function below 8"));
                }
            }
        }
        Ok(Some(Self {
            kind,
            start_bus: scope.u8(5)?,
            path,
        }))
    }
}

/// A run of bytes of the table.
#[derive(Clone, Copy)]
struct Span<'a> {
    bytes: &'a [u8],
    /// Where it starts in the table.
    offset: usize,
}

impl<'a> Span<'a> {
    /// `expected` at `at`, or at the end if that comes first.
    fn error(&self, at: usize, expected: &'static str) -> Error {
        Error::Malformed {
            offset: self.offset.saturating_add(at.min(self.bytes.len())),
            expected,
        }
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        self.bytes
            .get(at..)
            .and_then(|bytes| bytes.first_chunk())
            .copied()
            .ok_or_else(|| self.error(at, "more bytes"))
    }

    fn u8(&self, at: usize) -> Result<u8> {
        self.array(at).map(u8::from_le_bytes)
    }

    fn u16(&self, at: usize) -> Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// The bytes from `at` on; none if there are not that many.
    fn from(&self, at: usize) -> Self {
        let at = at.min(self.bytes.len());
        Self {
            bytes: self.bytes.get(at..).unwrap_or_default(),
            offset: self.offset.saturating_add(at),
        }
    }

    /// The first `len` bytes: a record that says at `at` how long it is, and has at least `min`
    /// bytes. As `min` is not 0, a list of such records comes to an end.
    fn first(&self, at: usize, len: usize, min: usize) -> Result<Self> {
        if len < min {
            return Err(self.error(at, "a length that covers the fixed fields"));
        }
        match self.bytes.get(..len) {
            Some(bytes) => Ok(Self {
                bytes,
                offset: self.offset,
            }),
            None => Err(self.error(at, "a length that ends inside what is around")),
        }
    }

    /// `value`, if the structure has the `min` bytes of its fixed fields.
    fn with_fields<T>(&self, min: usize, value: T) -> Result<T> {
        if self.bytes.len() < min {
            return Err(self.error(2, "a length that covers the fixed fields"));
        }
        Ok(value)
    }
}
