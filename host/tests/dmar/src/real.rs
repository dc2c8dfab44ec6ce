// SPDX-License-Identifier: GPL-2.0

//! Tables of real machines: what the parser makes of them agrees with the second reading.
//!
//! The tables are not in the tree. `RUST_IOMMU_DMAR_TABLES` names a folder of them, `*.aml`;
//! without it, the folder is `../shared/data/dmar` beside the clone. If there is none, the tests say
//! so, and only tables of our own are tried.

use crate::{
    decoder::{
        decode,
        Decoded, //
    },
    dmar::{
        parse,
        Dmar,
        Scope,
        ScopeKind, //
    },
    scopes::describe,
    table, //
};
use iommu_core::firmware::{
    reserved_for,
    unit_of,
    Hop,
    Path,
    Publication, //
};
use iommu_ext::fwnode::SoftwareNode;
use proptest::{
    collection::vec,
    prelude::*, //
};
use std::{
    env,
    fs,
    path::PathBuf, //
};

/// The tables, by name; those of our own are among them.
fn tables() -> Vec<(String, Vec<u8>)> {
    let folder = env::var_os("RUST_IOMMU_DMAR_TABLES").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../../shared/data/dmar"
            ))
        },
        PathBuf::from,
    );
    let mut tables = vec![
        ("QEMU's".to_owned(), table::QEMU.to_vec()),
        ("made up".to_owned(), table::rich()),
    ];
    match fs::read_dir(&folder) {
        Ok(files) => {
            for file in files {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "aml") {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    tables.push((name, fs::read(&path).unwrap()));
                }
            }
            assert!(tables.len() > 2, "{} has no *.aml", folder.display());
        }
        Err(error) => eprintln!(
            "NO TABLES OF REAL MACHINES TRIED: {}: {error}",
            folder.display()
        ),
    }
    tables
}

/// Scopes in the second reading's words.
fn words(scopes: &[Scope]) -> Vec<(u8, u8, Vec<(u8, u8)>)> {
    scopes
        .iter()
        .map(|scope| {
            let kind = match scope.kind {
                ScopeKind::Endpoint => 1,
                ScopeKind::SubHierarchy => 2,
                ScopeKind::IoApic => 3,
                ScopeKind::Hpet => 4,
                ScopeKind::Namespace => 5,
            };
            let path = scope.path.iter().map(|hop| (hop.device, hop.function));
            (kind, scope.start_bus, path.collect())
        })
        .collect()
}

fn same(ours: &[Scope], theirs: &[crate::decoder::Device]) -> bool {
    let theirs: Vec<_> = theirs
        .iter()
        .map(|scope| (scope.kind, scope.bus, scope.path.clone()))
        .collect();
    words(ours) == theirs
}

/// The first and the last byte of the pages that a range touches; none if it is none.
fn pages((base, limit): (u64, u64)) -> Option<(u64, u64)> {
    (base <= limit).then_some((base >> 12 << 12, limit >> 12 << 12 | 0xfff))
}

/// Compares what the structures say.
fn compare(name: &str, dmar: &mut Dmar, decoded: &Decoded) {
    assert_eq!(dmar.units.len(), decoded.units.len(), "{name}");
    for (ours, theirs) in dmar.units.iter().zip(&decoded.units) {
        assert_eq!(
            (ours.segment, ours.include_all, ours.base),
            (theirs.0, theirs.1, theirs.2),
            "{name}"
        );
        assert!(same(&ours.scopes, &theirs.3), "{name}");
        assert_eq!(ours.fault.is_some(), theirs.2 == 0, "{name}");
        let proximity = decoded.affinities.iter().find(|one| one.0 == theirs.2);
        assert_eq!(
            dmar.proximity_of(ours),
            proximity.map(|one| one.1),
            "{name}"
        );
        let named = |scope: &&crate::decoder::Device| scope.kind == 5;
        let names: Vec<_> = theirs
            .3
            .iter()
            .filter(named)
            .filter_map(|scope| decoded.names.iter().find(|one| one.0 == scope.number))
            .map(|one| one.1.clone())
            .collect();
        let ours: Vec<_> = dmar
            .namespace_of(ours)
            .map(|(name, _)| name.to_str().unwrap().to_owned())
            .collect();
        assert_eq!(ours, names, "{name}");
    }
    let memory: Vec<_> = decoded
        .memory
        .iter()
        .filter_map(|memory| pages((memory.1, memory.2)).map(|pages| (memory.0, pages)))
        .collect();
    let ours: Vec<_> = dmar
        .reserved
        .iter()
        .map(|memory| (memory.segment, (memory.first, memory.last)))
        .collect();
    assert_eq!(ours, memory, "{name}");
    assert_eq!(dmar.root_ports.len(), decoded.ports.len(), "{name}");
    for (ours, theirs) in dmar.root_ports.iter().zip(&decoded.ports) {
        assert_eq!((ours.segment, ours.all), (theirs.0, theirs.1), "{name}");
        assert!(same(&ours.scopes, &theirs.2), "{name}");
    }
    assert_eq!(dmar.integrated.len(), decoded.caches.len(), "{name}");
    for (ours, theirs) in dmar.integrated.iter().zip(&decoded.caches) {
        assert_eq!(
            (ours.segment, ours.required),
            (theirs.0, theirs.1),
            "{name}"
        );
        assert!(same(&ours.scopes, &theirs.2), "{name}");
    }
    let flags = [
        dmar.flags.interrupt_remapping,
        dmar.flags.no_x2apic,
        dmar.flags.dma_control_opt_in, //
    ];
    let theirs = [0, 1, 2].map(|bit| decoded.flags & 1 << bit != 0);
    assert_eq!(flags, theirs, "{name}");
    let bits = dmar.settle_width(|_, _| false).unwrap();
    assert_eq!(u32::from(bits), decoded.bits, "{name}");
    assert_eq!(dmar.reserved.len(), memory.len(), "{name}");
}

/// Compares what they mean for each device.
fn compare_meaning(name: &str, dmar: &Dmar, decoded: &Decoded) {
    let nodes: Vec<_> = dmar
        .units
        .iter()
        .map(|_| SoftwareNode::new().unwrap())
        .collect();
    let _publication = Publication::new(describe(dmar, &nodes).unwrap()).unwrap();
    for (segment, hops) in decoded.paths() {
        let ours: Vec<_> = hops
            .iter()
            .map(|&(bus, device, function)| Hop {
                bus,
                devfn: device * 8 + function,
            })
            .collect();
        let path = Path {
            segment: segment.into(),
            hops: &ours,
            is_virtual: false,
        };
        let unit = unit_of(&path).map(|key| nodes.iter().position(|n| n.key() == key).unwrap());
        assert_eq!(unit, decoded.unit_of(segment, &hops), "{name}: {hops:?}");
        let mut memory = Vec::new();
        reserved_for(&path, |range| {
            memory.push((range.first().0, range.last().0))
        });
        let theirs: Vec<_> = decoded
            .memory_of(segment, &hops)
            .into_iter()
            .filter_map(pages)
            .collect();
        assert_eq!(memory, theirs, "{name}: {hops:?}");
    }
}

/// Where garbage follows the last structure. The kernel's own driver refuses this table, too.
const PADDED: &str = "hsw-padded-badsum.aml";

#[test]
fn every_table_is_read_as_the_second_reading_has_it() {
    let tables = tables();
    for (name, bytes) in &tables {
        if name == PADDED {
            assert!(parse(bytes).is_err());
            continue;
        }
        let mut dmar = parse(bytes).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let decoded = decode(bytes);
        compare(name, &mut dmar, &decoded);
        compare_meaning(name, &dmar, &decoded);
        for note in dmar.notes.iter() {
            eprintln!("{name}: {}", kernel::fmt::Adapter(note));
        }
    }
    eprintln!("{} tables of real machines", tables.len() - 2);
}

/// Whatever is in the structures of a real table, all its units are still there, if their own are
/// whole.
#[test]
fn damage_costs_no_unit_of_another_structure() {
    let tables = tables();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(5000));
    let changes = (
        any::<prop::sample::Index>(),
        vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    );
    runner
        .run(&changes, |(which, changes)| {
            let (name, bytes) = &tables[which.index(tables.len())];
            if name == PADDED {
                return Ok(());
            }
            let before = parse(bytes).unwrap();
            let mut damaged = bytes.clone();
            // All that is not a unit, nor a type or a length.
            let mut free = Vec::new();
            let mut at = 48;
            while at < bytes.len() {
                let len = usize::from(u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]));
                if bytes[at] != 0 {
                    free.extend(at + 4..at + len);
                }
                at += len;
            }
            for (place, value) in changes {
                if !free.is_empty() {
                    damaged[free[place.index(free.len())]] = value;
                }
            }
            let after = parse(&damaged).unwrap();
            prop_assert_eq!(
                format!("{:?}", before.units),
                format!("{:?}", after.units),
                "{}",
                name
            );
            Ok(())
        })
        .unwrap();
}
