// SPDX-License-Identifier: GPL-2.0

//! The structures of the table, each from its bytes (VT-d 8.3 to 8.9).

use super::{
    span::Span,
    Affinity,
    Error,
    Hop,
    IntegratedDevices,
    NamespaceDevice,
    Note,
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
    pub(super) fn parse(drhd: &Span<'_>, notes: &mut KVec<Note>) -> Result<Self> {
        const LEN: usize = 16;
        drhd.has_fields(LEN)?;
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
    pub(super) fn parse(rmrr: &Span<'_>, notes: &mut KVec<Note>) -> Result<Self> {
        const LEN: usize = 24;
        rmrr.has_fields(LEN)?;
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

impl RootPorts {
    pub(super) fn parse(atsr: &Span<'_>, notes: &mut KVec<Note>) -> Result<Self> {
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
    pub(super) fn parse(satc: &Span<'_>, notes: &mut KVec<Note>) -> Result<Self> {
        const LEN: usize = 8;
        satc.has_fields(LEN)?;
        Ok(Self {
            segment: satc.u16(6)?,
            required: satc.u8(4)? & 1 != 0,
            scopes: parse_scopes(satc.from(LEN), notes)?,
        })
    }
}

/// Checks a SIDP structure, whose properties matter to scalable mode only (8.9).
pub(super) fn check_properties(sidp: &Span<'_>, notes: &mut KVec<Note>) -> Result<()> {
    const LEN: usize = 8;
    sidp.has_fields(LEN)?;
    parse_scopes(sidp.from(LEN), notes)?;
    Ok(())
}

fn parse_scopes(mut rest: Span<'_>, notes: &mut KVec<Note>) -> Result<KVec<Scope>> {
    let mut scopes = KVec::new();
    while !rest.bytes.is_empty() {
        let scope = rest.first(1, rest.u8(1)?.into(), Scope::HEADER_LEN)?;
        match Scope::parse(&scope)? {
            Some(scope) => scopes.try_push(scope, GFP_KERNEL)?,
            None => {
                let what = "device scope of unknown type passed over";
                notes.try_push(
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
        Ok(Some(Self {
            kind,
            enumeration: scope.u8(4)?,
            start_bus: scope.u8(5)?,
            path,
        }))
    }
}
