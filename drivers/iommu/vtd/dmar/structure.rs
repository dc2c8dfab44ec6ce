// SPDX-License-Identifier: GPL-2.0

//! The structures of the table, each from its bytes (VT-d 8.3 to 8.8).

use super::{
    span::Span,
    About,
    Affinity,
    Error,
    Hop,
    IntegratedDevices,
    NamespaceDevice,
    Notes,
    ReservedMemory,
    Result,
    RootPorts,
    Scope,
    ScopeKind,
    Unit, //
};
use iommu_ext::vec::KVecExt;
use kernel::{
    prelude::*,
    str::CString, //
};

/// Pages of 4 KiB.
const PAGE: u64 = 4096;

impl Unit {
    pub(super) fn parse(drhd: &Span<'_>, notes: &mut Notes) -> Result<Self> {
        const LEN: usize = 16;
        drhd.has_fields(LEN)?;
        let base = drhd.u64(8)?;
        let fault = if base == 0 {
            Some("has its registers at address 0")
        } else if base % PAGE != 0 {
            Some("has registers that do not start at a page")
        } else {
            None
        };
        Ok(Self {
            segment: drhd.u16(6)?,
            include_all: drhd.u8(4)? & 1 != 0,
            base,
            scopes: parse_scopes(drhd.from(LEN), notes)?,
            fault,
        })
    }
}

impl ReservedMemory {
    /// `None` if it is no memory.
    pub(super) fn parse(rmrr: &Span<'_>, notes: &mut Notes) -> Result<Option<Self>> {
        const LEN: usize = 24;
        rmrr.has_fields(LEN)?;
        let base = rmrr.u64(8)?;
        let limit = rmrr.u64(16)?;
        if limit < base {
            notes.fault(
                rmrr.offset,
                "reserved memory (RMRR) that ends before it starts:",
                About::Range(base, limit),
                "it is left out",
            )?;
            return Ok(None);
        }
        let first = base & !(PAGE - 1);
        let last = limit | (PAGE - 1);
        if (first, last) != (base, limit) {
            notes.fault(
                rmrr.offset,
                "reserved memory (RMRR) that is not whole pages:",
                About::Range(base, limit),
                "it is widened to pages",
            )?;
        }
        Ok(Some(Self {
            offset: rmrr.offset,
            segment: rmrr.u16(6)?,
            first,
            last,
            scopes: parse_scopes(rmrr.from(LEN), notes)?,
        }))
    }
}

impl RootPorts {
    pub(super) fn parse(atsr: &Span<'_>, notes: &mut Notes) -> Result<Self> {
        const LEN: usize = 8;
        atsr.has_fields(LEN)?;
        Ok(Self {
            segment: atsr.u16(6)?,
            all: atsr.u8(4)? & 1 != 0,
            scopes: parse_scopes(atsr.from(LEN), notes)?,
        })
    }
}

impl Affinity {
    pub(super) fn parse(rhsa: &Span<'_>) -> Result<Self> {
        rhsa.has_fields(20)?;
        Ok(Self {
            offset: rhsa.offset,
            base: rhsa.u64(8)?,
            proximity: rhsa.u32(16)?,
        })
    }
}

impl NamespaceDevice {
    pub(super) fn parse(andd: &Span<'_>) -> Result<Self> {
        const LEN: usize = 8;
        // One byte of the name at least, which ends it.
        andd.has_fields(LEN + 1)?;
        let name = andd.from(LEN);
        let Ok(text) = CStr::from_bytes_until_nul(name.bytes) else {
            return Err(name.error(0, "a name that ends inside the structure"));
        };
        Ok(Self {
            number: andd.u8(7)?,
            name: CString::try_from(text).map_err(|_| Error::NoMemory)?,
        })
    }
}

impl IntegratedDevices {
    pub(super) fn parse(satc: &Span<'_>, notes: &mut Notes) -> Result<Self> {
        const LEN: usize = 8;
        satc.has_fields(LEN)?;
        Ok(Self {
            segment: satc.u16(6)?,
            required: satc.u8(4)? & 1 != 0,
            scopes: parse_scopes(satc.from(LEN), notes)?,
        })
    }
}

/// The device scopes in `rest`. A scope that names nothing is passed over; where the next one
/// cannot be found, the rest are.
fn parse_scopes(mut rest: Span<'_>, notes: &mut Notes) -> Result<KVec<Scope>> {
    let mut scopes = KVec::new();
    while !rest.bytes.is_empty() {
        let len = rest.u8(1).map_or(0, usize::from);
        let scope = match rest.first(1, len, Scope::HEADER_LEN) {
            Ok(scope) => scope,
            Err(Error::Malformed { offset, expected }) => {
                notes.lost(
                    offset,
                    expected,
                    "the rest of the device scopes is not read",
                )?;
                break;
            }
            Err(e) => return Err(e),
        };
        match Scope::parse(&scope, notes) {
            Ok(Some(scope)) => scopes.try_push(scope, GFP_KERNEL)?,
            Ok(None) => (),
            Err(Error::Malformed { offset, expected }) => {
                notes.lost(offset, expected, "the device scope is passed over")?;
            }
            Err(e) => return Err(e),
        }
        rest = rest.from(scope.bytes.len());
    }
    Ok(scopes)
}

impl Scope {
    /// Bytes before the path.
    const HEADER_LEN: usize = 6;

    /// `None` if it is of an unknown type.
    fn parse(scope: &Span<'_>, notes: &mut Notes) -> Result<Option<Self>> {
        let kind = match scope.u8(0)? {
            1 => ScopeKind::Endpoint,
            2 => ScopeKind::SubHierarchy,
            3 => ScopeKind::IoApic,
            4 => ScopeKind::Hpet,
            5 => ScopeKind::Namespace,
            kind => {
                notes.passed_over(scope.offset, "device scope of unknown type", kind.into())?;
                return Ok(None);
            }
        };
        // Half a step at the end says nothing, and the kernel's own driver does not look at it.
        let hops = scope.from(Self::HEADER_LEN);
        let mut path = KVec::new();
        for (step, hop) in hops.bytes.chunks_exact(2).enumerate() {
            match hop {
                [device @ 0..=31, function @ 0..=7] => {
                    path.try_push(
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
        if path.is_empty() {
            return Err(scope.error(1, "a length with room for a path"));
        }
        Ok(Some(Self {
            kind,
            enumeration: scope.u8(4)?,
            start_bus: scope.u8(5)?,
            path,
        }))
    }
}
