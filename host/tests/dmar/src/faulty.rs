// SPDX-License-Identifier: GPL-2.0

//! Tables that are wrong in one way, as those of real machines are: what it costs, and the line in
//! the log. Whatever is wrong stands between two units, of which both must be there after.

use crate::{
    dmar::{
        parse,
        Dmar, //
    },
    refused::refused,
    table::{
        drhd,
        rmrr,
        scope,
        structure,
        with_checksum,
        Table, //
    }, //
};

/// Where the first structure starts, and the one after the unit there.
const FIRST: usize = 48;
const SECOND: usize = FIRST + 16 + 8;

/// A table with these structures between two units: one for graphics, one for all others.
fn between_units(structures: &[Vec<u8>]) -> Vec<u8> {
    Table::new()
        .with(&drhd(0, 0, 0xfed9_0000, &[scope(1, 0, &[(2, 0)])]))
        .with(&structures.concat())
        .with(&drhd(1, 0, 0xfed9_1000, &[]))
        .bytes()
}

/// Reads a table, whose first and last unit serve.
#[track_caller]
fn read(table: &[u8]) -> Dmar {
    let dmar = parse(table).unwrap();
    let serves = |base| {
        dmar.units
            .iter()
            .any(|unit| unit.base == base && unit.fault.is_none())
    };
    assert!(serves(0xfed9_0000) && serves(0xfed9_1000), "{dmar:?}");
    assert_eq!(dmar.units[0].scopes.len(), 1);
    dmar
}

/// The lines in the log that a table is worth.
fn lines(dmar: &Dmar) -> Vec<String> {
    dmar.notes
        .iter()
        .map(|note| kernel::fmt::Adapter(note).to_string())
        .collect()
}

/// Reads a table that has these structures between its units, and compares the lines.
#[track_caller]
fn with(structures: &[Vec<u8>], expected: &[&str]) -> Dmar {
    let dmar = read(&between_units(structures));
    assert_eq!(lines(&dmar), expected);
    assert!(dmar.notes.iter().all(|note| note.is_fault));
    dmar
}

#[test]
fn nothing_is_wrong() {
    with(&[], &[]);
}

#[test]
fn the_checksum() {
    let mut table = between_units(&[]);
    table[20] ^= 1;
    assert_eq!(
        lines(&read(&table)),
        ["offset 0x9: the checksum is wrong: the table is read all the same"]
    );
}

#[test]
fn units_without_registers() {
    for (base, fault) in [
        (0, "has its registers at address 0"),
        (0xfed9_2800, "has registers that do not start at a page"),
    ] {
        let broken = drhd(0, 0, base, &[scope(1, 0, &[(3, 0)])]);
        let dmar = with(&[broken.clone(), broken], &[]);
        // They keep their devices, which no other unit translates, and their place in the order.
        for unit in &dmar.units[1..3] {
            assert_eq!((unit.base, unit.fault), (base, Some(fault)));
            assert_eq!(unit.scopes.len(), 1);
        }
        assert_eq!(dmar.units.len(), 4);
    }
}

#[test]
fn registers_beyond_all_addresses_are_for_the_driver_to_find_out() {
    for base in [1 << 39, u64::MAX - 4095] {
        let dmar = with(&[drhd(0, 0, base, &[])], &[]);
        assert_eq!((dmar.units[1].base, dmar.units[1].fault), (base, None));
    }
}

#[test]
fn a_unit_of_any_size() {
    for size in 0..=u8::MAX {
        let mut unit = drhd(0, 0, 0x1000, &[]);
        unit[5] = size;
        assert_eq!(with(&[unit], &[]).units.len(), 3);
    }
}

#[test]
fn a_unit_that_is_described_twice() {
    let twice = drhd(1, 0, 0xfed9_0000, &[scope(1, 0, &[(3, 0)])]);
    let line = "offset 0x48: a second description of the unit at 0xfed90000: the first one counts";
    assert_eq!(with(&[twice], &[line]).units.len(), 2);
}

#[test]
fn registers_of_two_segments() {
    let dmar = with(&[drhd(1, 7, 0xfed9_0000, &[])], &[]);
    assert_eq!(dmar.units.len(), 3);
    let fault = Some("has the registers of a unit of another segment");
    assert_eq!((dmar.units[1].segment, dmar.units[1].fault), (7, fault));
}

#[test]
fn two_units_that_have_all_the_others() {
    let rivals = [drhd(1, 0, 0x1000, &[]), drhd(1, 3, 0x2000, &[])];
    let line = "offset 0x68: a second unit that has all the other devices, at 0xfed91000: the \
                first one has them";
    assert_eq!(with(&rivals, &[line]).units.len(), 4);
}

#[test]
fn structures_without_their_fixed_fields() {
    for (kind, fixed) in [(1, 24), (2, 8), (3, 20), (4, 9), (5, 8)] {
        let line = "offset 0x4a: expected a length that covers the fixed fields: the structure is \
                    passed over";
        for len in 0..fixed - 4 {
            let dmar = with(&[structure(kind, &vec![0xff; len], &[])], &[line]);
            assert_eq!(dmar.units.len(), 2);
            assert!(dmar.reserved.is_empty() && dmar.root_ports.is_empty());
            assert!(dmar.integrated.is_empty());
        }
    }
}

/// Its devices must not count as those of another unit.
#[test]
fn a_unit_without_its_fixed_fields_costs_the_table() {
    for len in 0..12 {
        let table = between_units(&[structure(0, &vec![0xff; len], &[])]);
        refused(&table, 0x4a, "a length that covers the fixed fields");
    }
}

/// What matters to scalable mode only (SIDP, 8.9), and types that we do not know.
#[test]
fn structures_that_are_not_used() {
    for body in [&[][..], &[1, 2], &[0xff; 60]] {
        with(&[structure(6, body, &[])], &[]);
        let dmar = read(&between_units(&[structure(77, body, &[])]));
        assert_eq!(
            lines(&dmar),
            ["offset 0x48: structure of unknown type 77: passed over"]
        );
        assert!(!dmar.notes.iter().any(|note| note.is_fault));
    }
}

#[test]
fn a_name_that_does_not_end() {
    let line = "offset 0x50: expected a name that ends inside the structure: the structure is \
                passed over";
    with(&[structure(4, b"\0\0\0\x01\\_SB.I2C0", &[])], &[line]);
}

#[test]
fn an_affinity_of_no_unit() {
    let mut nowhere = structure(3, &[0; 16], &[]);
    nowhere[8..16].copy_from_slice(&0x7000u64.to_le_bytes());
    let line = "offset 0x48: there is no unit at 0x7000: where it would sit does not matter";
    with(&[nowhere], &[line]);
}

#[test]
fn reserved_memory_that_is_no_memory() {
    for (first, last) in [(0x3000, 0x1fff), (0x3000, 0x2fff), (u64::MAX, 0)] {
        let line = format!(
            "offset 0x48: reserved memory (RMRR) that ends before it starts: {first:#x} to \
             {last:#x}: it is left out"
        );
        assert!(with(&[rmrr(0, first, last, &[])], &[&line])
            .reserved
            .is_empty());
    }
}

/// Each was seen in a real machine, but for the last one.
#[test]
fn reserved_memory_that_is_not_whole_pages() {
    for (first, last, pages) in [
        (0, 0, (0, 0xfff)),
        (0xe4000, 0xe8bff, (0xe4000, 0xe8fff)),
        (0x1800, 0x27ff, (0x1000, 0x2fff)),
        (u64::MAX, u64::MAX, (u64::MAX - 0xfff, u64::MAX)),
    ] {
        let line = format!(
            "offset 0x48: reserved memory (RMRR) that is not whole pages: {first:#x} to {last:#x}: \
             it is widened to pages"
        );
        let dmar = with(&[rmrr(0, first, last, &[scope(1, 0, &[(5, 0)])])], &[&line]);
        let memory = &dmar.reserved[0];
        assert_eq!((memory.first, memory.last), pages);
        assert_eq!(memory.scopes.len(), 1);
    }
}

/// Scopes of each structure that has some.
fn with_scopes(scopes: &[Vec<u8>]) -> [(usize, Vec<u8>); 4] {
    [
        (16, drhd(0, 0, 0x1000, scopes)),
        (24, rmrr(0, 0x1000, 0x1fff, scopes)),
        (8, structure(2, &[0; 4], scopes)),
        (8, structure(5, &[0; 4], scopes)),
    ]
}

/// How many scopes were read in the structure between the units.
fn scopes_read(dmar: &Dmar) -> usize {
    let of_units = dmar.units[1].scopes.len();
    let of_memory = dmar.reserved.iter().map(|memory| memory.scopes.len());
    let of_ports = dmar.root_ports.iter().map(|ports| ports.scopes.len());
    let of_devices = dmar.integrated.iter().map(|devices| devices.scopes.len());
    of_units + of_memory.chain(of_ports).chain(of_devices).sum::<usize>()
}

#[test]
fn a_scope_that_names_nothing_costs_itself() {
    let good = || scope(1, 0, &[(4, 0)]);
    let path = "expected a device below 32 and a function below 8";
    for (bad, at, what) in [
        (scope(1, 0, &[(32, 0)]), 6, path),
        (scope(2, 0, &[(31, 7), (0, 8)]), 8, path),
        (
            scope(1, 0, &[]),
            1,
            "expected a length with room for a path",
        ),
    ] {
        for (fields, structure) in with_scopes(&[good(), bad.clone(), good()]) {
            let at = SECOND + fields + good().len() + at;
            let line = format!("offset {at:#x}: {what}: the device scope is passed over");
            assert_eq!(scopes_read(&with(&[structure], &[&line])), 2);
        }
    }
}

#[test]
fn half_a_step_of_a_path_is_not_read() {
    let mut odd = scope(1, 0, &[(1, 0)]);
    odd.push(0xff);
    odd[1] += 1;
    for (_, structure) in with_scopes(&[odd, scope(1, 0, &[(4, 0)])]) {
        assert_eq!(scopes_read(&with(&[structure], &[])), 2);
    }
}

/// A scope of no length does not loop, one that passes the end of its structure does not reach into
/// the next.
#[test]
fn a_scope_of_wrong_length_costs_those_behind_it() {
    let good = || scope(1, 0, &[(4, 0)]);
    let fixed = "a length that covers the fixed fields";
    for (len, what) in [
        (0, fixed),
        (5, fixed),
        (17, "a length that ends inside what is around"),
    ] {
        let mut bad = good();
        bad[1] = len;
        for (fields, structure) in with_scopes(&[good(), bad.clone(), good()]) {
            let at = SECOND + fields + 8 + 1;
            let line = format!(
                "offset {at:#x}: expected {what}: the rest of the device scopes is not read"
            );
            assert_eq!(scopes_read(&with(&[structure], &[&line])), 1);
        }
    }
}

/// A table of two units that ends in something else.
fn ending_in(end: &[u8]) -> Vec<u8> {
    let table = Table::new()
        .with(&drhd(0, 0, 0xfed9_0000, &[scope(1, 0, &[(2, 0)])]))
        .with(&drhd(1, 0, 0xfed9_1000, &[]))
        .with(end);
    table.bytes()
}

/// A structure that says it is so long.
fn with_length(mut structure: Vec<u8>, len: u16) -> Vec<u8> {
    structure[2..4].copy_from_slice(&len.to_le_bytes());
    structure
}

#[test]
fn what_is_behind_a_structure_of_no_length_is_not_read() {
    let end = with_length(structure(1, &[0; 20], &[]), 0);
    let line = "offset 0x5a: expected the length of a structure: the rest of the table is not read";
    assert_eq!(lines(&read(&ending_in(&end))), [line]);
    for len in 1..4 {
        let line = "offset 0x58: expected a structure, or the end of the table: the rest of the \
                    table is not read";
        assert_eq!(lines(&read(&ending_in(&vec![0; len]))), [line]);
    }
}

/// What is behind may be a unit, whose devices must not count as those of another one.
#[test]
fn a_structure_that_passes_the_end_costs_the_table() {
    let around = "a length that ends inside what is around";
    let unit = drhd(0, 1, 0x1000, &[scope(1, 0, &[(4, 0)])]);
    for end in [unit.clone(), structure(3, &[0; 16], &[])] {
        refused(&ending_in(&with_length(end, 1000)), 0x5a, around);
    }
    // Of a machine: what follows the last unit is garbage.
    refused(&ending_in(b"ACPIDUMP\0\xd0\x82"), 0x5a, around);
    for len in 1..4 {
        let fixed = "a length that covers the fixed fields";
        refused(&ending_in(&with_length(unit.clone(), len)), 0x5a, fixed);
    }
}

#[test]
fn notes_do_not_fill_the_log() {
    let dmar = read(&between_units(&vec![structure(77, &[], &[]); 3000]));
    assert_eq!(dmar.notes.iter().count(), 64);
    assert_eq!(dmar.notes.more(), 3000 - 64);
}

#[test]
fn an_address_width_that_cannot_be() {
    const INSTEAD: &str = "52 bits are taken instead";
    let nothing_above = |_, _| false;
    for (field, bits) in [(0, 1), (11, 12), (38, 39), (51, 52)] {
        let mut table = between_units(&[]);
        table[36] = field;
        let mut dmar = read(&with_checksum(table));
        let mut asked = None;
        let settled = dmar.settle_width(|first, last| {
            asked = Some((first, last));
            false
        });
        assert_eq!(settled.unwrap(), bits);
        assert_eq!(asked, Some((1 << bits, u64::MAX)));
        assert!(lines(&dmar).is_empty());
    }
    for (field, bits) in [(52, 53), (56, 57), (63, 64), (64, 65), (255, 256)] {
        let mut table = between_units(&[]);
        table[36] = field;
        let mut dmar = read(&with_checksum(table));
        assert_eq!(dmar.settle_width(nothing_above).unwrap(), 52);
        let line = format!(
            "offset 0x24: no entry of a page table holds addresses of {bits} bits: {INSTEAD}"
        );
        assert_eq!(lines(&dmar), [line]);
    }
    // 32 bits, and memory above 4 GiB.
    let mut table = between_units(&[]);
    table[36] = 31;
    let mut dmar = read(&with_checksum(table));
    let has_5_gib = |first, _| first < 5 << 30;
    assert_eq!(dmar.settle_width(has_5_gib).unwrap(), 52);
    let line = format!(
        "offset 0x24: memory, or a PCI window, is above the host address width of 32 bits: {INSTEAD}"
    );
    assert_eq!(lines(&dmar), [line]);
}

#[test]
fn reserved_memory_beyond_the_address_width() {
    const END: u64 = 1 << 39;
    let memory = |first, last| rmrr(0, first, last, &[]);
    let structures = [
        memory(END - 0x1000, END - 1),
        memory(END - 0x1000, END + 0xfff),
        memory(0, u64::MAX),
        memory(0x1000, 0x1fff),
    ];
    let mut dmar = with(&structures, &[]);
    assert_eq!(dmar.settle_width(|_, _| false).unwrap(), 39);
    let left: Vec<_> = dmar.reserved.iter().map(|memory| memory.first).collect();
    assert_eq!(left, [END - 0x1000, 0x1000]);
    let line = |offset: usize, range| {
        format!(
            "offset {offset:#x}: reserved memory (RMRR) beyond the host address width: {range}: it \
             is left out"
        )
    };
    assert_eq!(
        lines(&dmar),
        [
            line(SECOND + 24, "0x7ffffff000 to 0x8000000fff"),
            line(SECOND + 48, "0x0 to 0xffffffffffffffff"),
        ]
    );
}
