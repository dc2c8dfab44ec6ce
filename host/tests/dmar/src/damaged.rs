// SPDX-License-Identifier: GPL-2.0

//! Tables that are cut, changed at random, or random altogether: never a panic, and an error that
//! points into the table.

use crate::{
    dmar::{
        parse,
        Dmar,
        Error, //
    },
    table::{
        self,
        with_checksum, //
    }, //
};
use proptest::{
    collection::vec,
    prelude::*, //
};

/// Parses, and checks what must be true of every result.
fn check(bytes: &[u8]) -> Result<Dmar, Error> {
    let result = parse(bytes);
    match &result {
        Ok(dmar) => {
            assert!((1..=64).contains(&dmar.address_bits));
            assert!(!dmar.units.is_empty());
            for unit in dmar.units.iter() {
                assert!(unit.base != 0 && unit.base % 4096 == 0);
                assert!(unit.size >= 4096 && unit.base.checked_add(unit.size as u64).is_some());
            }
            for memory in dmar.reserved.iter() {
                assert!(memory.first < memory.last);
                assert!(memory.first % 4096 == 0 && memory.last % 4096 == 4095);
            }
            let of_units = dmar.units.iter().flat_map(|unit| unit.scopes.iter());
            let of_memory = dmar.reserved.iter().flat_map(|memory| memory.scopes.iter());
            for scope in of_units.chain(of_memory) {
                assert!(!scope.path.is_empty());
                assert!(scope
                    .path
                    .iter()
                    .all(|hop| hop.device < 32 && hop.function < 8));
            }
            assert!(dmar.notes.iter().all(|note| note.offset < bytes.len()));
        }
        Err(Error::Malformed { offset, .. }) => assert!(*offset <= bytes.len()),
        Err(Error::NoMemory) => panic!("the host has memory"),
    }
    result
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
