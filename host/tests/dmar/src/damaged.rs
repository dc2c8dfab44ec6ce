// SPDX-License-Identifier: GPL-2.0

//! Tables that are cut, changed at random, or random altogether: never a panic, no error but in what
//! is around all structures, and notes that point into the table.

use crate::{
    dmar::{
        parse,
        Dmar,
        Error,
        Unit, //
    },
    scopes::describe,
    table::{
        self,
        with_checksum, //
    }, //
};
use iommu_ext::fwnode::SoftwareNode;
use proptest::{
    collection::vec,
    prelude::*, //
};

/// Parses, and checks what must be true of every result.
fn check(bytes: &[u8]) -> Result<Dmar, Error> {
    let result = parse(bytes);
    match &result {
        Ok(dmar) => {
            assert!(!dmar.units.is_empty());
            for (index, unit) in dmar.units.iter().enumerate() {
                let serves = unit.base != 0 && unit.base % 4096 == 0;
                assert!(serves || unit.fault.is_some());
                let is_same = |other: &Unit| other.base == unit.base && other.fault.is_none();
                assert!(unit.fault.is_some() || !dmar.units[..index].iter().any(is_same));
            }
            for memory in dmar.reserved.iter() {
                assert!(memory.first < memory.last);
                assert!(memory.first % 4096 == 0 && memory.last % 4096 == 4095);
            }
            let of_units = dmar.units.iter().flat_map(|unit| unit.scopes.iter());
            let of_memory = dmar.reserved.iter().flat_map(|memory| memory.scopes.iter());
            let of_ports = dmar.root_ports.iter().flat_map(|ports| ports.scopes.iter());
            for scope in of_units.chain(of_memory).chain(of_ports) {
                assert!(!scope.path.is_empty());
                assert!(scope
                    .path
                    .iter()
                    .all(|hop| hop.device < 32 && hop.function < 8));
            }
            assert!(dmar.notes.iter().all(|note| note.offset <= bytes.len()));
            // What the core is told of it.
            let nodes: Vec<_> = dmar
                .units
                .iter()
                .map(|_| SoftwareNode::new().unwrap())
                .collect();
            let described = describe(dmar, &nodes).unwrap();
            assert_eq!(described.units.len(), dmar.units.len());
            assert_eq!(described.reserved.len(), dmar.reserved.len());
        }
        Err(Error::Malformed { offset, .. }) => assert!(*offset <= bytes.len()),
        Err(Error::NoMemory) => panic!("the host has memory"),
    }
    result
}

/// The structures of a table, each by itself.
fn split(table: &[u8]) -> Vec<Vec<u8>> {
    let mut structures = Vec::new();
    let mut rest = &table[48..];
    while !rest.is_empty() {
        let (structure, behind) = rest.split_at(u16::from_le_bytes([rest[2], rest[3]]).into());
        structures.push(structure.to_vec());
        rest = behind;
    }
    structures
}

/// What a table says of each kind, wherever it says it.
fn said(dmar: &Dmar) -> [Vec<String>; 4] {
    [
        dmar.units.iter().map(|unit| format!("{unit:?}")).collect(),
        dmar.reserved
            .iter()
            .map(|memory| {
                let (first, last) = (memory.first, memory.last);
                format!(
                    "{} {first:#x} {last:#x} {:?}",
                    memory.segment, memory.scopes
                )
            })
            .collect(),
        dmar.root_ports
            .iter()
            .map(|ports| format!("{ports:?}"))
            .collect(),
        dmar.integrated
            .iter()
            .map(|devices| format!("{devices:?}"))
            .collect(),
    ]
}

#[test]
fn cut_at_every_byte() {
    for table in [table::QEMU.to_vec(), table::rich()] {
        for len in 0..table.len() {
            assert!(check(&table[..len]).is_err());
        }
        assert!(check(&table).is_ok());
    }
}

/// As above, by firmware that knows how long what it gives is.
#[test]
fn cut_at_every_byte_with_the_length_to_match() {
    for table in [table::QEMU.to_vec(), table::rich()] {
        for len in 48..table.len() {
            let mut cut = table[..len].to_vec();
            cut[4..8].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
            let _ = check(&with_checksum(cut));
        }
    }
}

#[test]
fn every_byte_with_every_value() {
    for table in [table::QEMU.to_vec(), table::rich()] {
        for at in 0..table.len() {
            for value in 0..=u8::MAX {
                let mut changed = table.clone();
                changed[at] = value;
                let _ = check(&with_checksum(changed));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn changed_at_random(
        rich in any::<bool>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = if rich { table::rich() } else { table::QEMU.to_vec() };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = check(&with_checksum(bytes));
    }

    /// What is wrong in one structure, its type and its length apart, costs nothing of the others.
    #[test]
    fn damage_of_one_structure(
        victim in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut structures = split(&table::rich());
        let victim = victim.index(structures.len());
        let others = [&structures[..victim], &structures[victim + 1..]].concat();
        for (at, value) in changes {
            let len = structures[victim].len();
            if len > 4 {
                structures[victim][4 + at.index(len - 4)] = value;
            }
        }
        let table = |structures: &[Vec<u8>]| {
            table::Table::new().with(&structures.concat()).bytes()
        };
        let damaged = check(&table(&structures)).unwrap();
        let without = check(&table(&others)).unwrap();
        let is_second = |dmar: &Dmar| {
            dmar.notes.iter().any(|note| note.what.starts_with("a second description"))
        };
        // Of two units with the same registers, nobody can say which one is wrong.
        let is_rival = |unit: &Unit| {
            unit.fault == Some("has the registers of a unit of another segment")
        };
        prop_assume!(!is_second(&damaged) && !damaged.units.iter().any(is_rival));
        for (of_others, of_all) in said(&without).into_iter().zip(said(&damaged)) {
            let mut rest = of_all.iter();
            prop_assert!(of_others.iter().all(|one| rest.any(|other| other == one)));
        }
    }

    #[test]
    fn random_structures(body in vec(any::<u8>(), 0..400)) {
        let _ = check(&table::Table::new().with(&body).bytes());
    }

    /// Types and lengths that are more often right than not.
    #[test]
    fn likely_structures(
        parts in vec((0..8u16, prop_oneof![4..40u16, any::<u16>()], vec(0..40u8, 0..40)), 0..20),
    ) {
        let body: Vec<u8> = parts
            .into_iter()
            .flat_map(|(kind, len, rest)| {
                [&kind.to_le_bytes()[..], &len.to_le_bytes(), &rest].concat()
            })
            .collect();
        let _ = check(&table::Table::new().with(&body).bytes());
    }

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes);
    }
}
