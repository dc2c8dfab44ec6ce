// SPDX-License-Identifier: GPL-2.0

//! Tables that are wrong in one way: where the error is said to be, and what was expected there.

use crate::{
    dmar::{
        parse,
        Error, //
    },
    table::{
        drhd,
        rmrr,
        scope,
        structure,
        with_checksum,
        Table, //
    }, //
};

/// Where the first structure starts.
const FIRST: usize = 48;

fn unit() -> Vec<u8> {
    drhd(1, 0, 0xfed9_0000, &[])
}

fn table(structures: &[Vec<u8>]) -> Vec<u8> {
    Table::new().with(&structures.concat()).bytes()
}

#[track_caller]
fn refused(table: &[u8], at: usize, what: &str) {
    match parse(table) {
        Err(Error::Malformed { offset, expected }) => {
            assert_eq!((offset, expected), (at, what));
        }
        other => panic!("expected an error at {at}, got {other:?}"),
    }
}

const FIXED_FIELDS: &str = "a length that covers the fixed fields";
const INSIDE: &str = "a length that ends inside what is around";

#[test]
fn no_bytes() {
    refused(&[], 0, "more bytes");
}

#[test]
fn another_signature() {
    let mut table = table(&[unit()]);
    table[..4].copy_from_slice(b"DMAX");
    refused(&with_checksum(table), 0, "the signature DMAR");
}

#[test]
fn a_wrong_checksum() {
    let mut table = table(&[unit()]);
    table[20] ^= 1;
    refused(&table, 9, "a checksum that makes the bytes add up to 0");
}

#[test]
fn a_table_that_is_shorter_than_its_header() {
    let mut table = table(&[unit()]);
    table[4..8].copy_from_slice(&47u32.to_le_bytes());
    refused(&with_checksum(table), 4, FIXED_FIELDS);
}

#[test]
fn a_table_that_says_it_is_longer_than_it_is() {
    let mut table = table(&[unit()]);
    table[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(&table, 4, INSIDE);
}

#[test]
fn an_impossible_address_width() {
    let mut table = table(&[unit()]);
    table[36] = 64;
    refused(
        &with_checksum(table),
        36,
        "a host address width of 64 bits at most",
    );
}

#[test]
fn no_unit() {
    let end = "a remapping unit (DRHD) before the end";
    refused(&table(&[]), FIRST, end);
    let atsr = structure(2, &[0; 4], &[]);
    refused(&table(&[atsr.clone()]), FIRST + atsr.len(), end);
}

#[test]
fn a_structure_of_no_length_does_not_loop() {
    for kind in [0, 1, 2, 9] {
        let mut loops = structure(kind, &[0; 20], &[]);
        loops[2..4].copy_from_slice(&0u16.to_le_bytes());
        refused(&table(&[unit(), loops]), FIRST + 16 + 2, FIXED_FIELDS);
    }
}

#[test]
fn a_scope_of_no_length_does_not_loop() {
    let mut loops = scope(1, 0, &[(1, 0)]);
    loops[1] = 0;
    refused(
        &table(&[drhd(0, 0, 0x1000, &[loops])]),
        FIRST + 16 + 1,
        FIXED_FIELDS,
    );
}

#[test]
fn a_structure_that_passes_the_end() {
    let mut long = unit();
    long[2..4].copy_from_slice(&17u16.to_le_bytes());
    refused(&table(&[long]), FIRST + 2, INSIDE);
}

#[test]
fn a_scope_that_passes_the_end_of_its_structure() {
    let mut long = scope(1, 0, &[(1, 0)]);
    long[1] = 10;
    // There are more bytes, but they belong to the next structure.
    let first = drhd(0, 0, 0x1000, &[long]);
    refused(&table(&[first, unit()]), FIRST + 16 + 1, INSIDE);
}

#[test]
fn structures_without_their_fixed_fields() {
    for (kind, fixed) in [(0, 16), (1, 24), (2, 8), (3, 20), (4, 9), (5, 8), (6, 8)] {
        let short = structure(kind, &vec![0; fixed - 5], &[]);
        refused(&table(&[unit(), short]), FIRST + 16 + 2, FIXED_FIELDS);
    }
}

#[test]
fn registers_that_cannot_be() {
    let aligned = "a 4 KiB aligned address of registers, not 0";
    refused(&table(&[drhd(1, 0, 0, &[])]), FIRST + 8, aligned);
    refused(&table(&[drhd(1, 0, 0xfed9_0800, &[])]), FIRST + 8, aligned);
    let end = "registers that end below 2^64";
    refused(&table(&[drhd(1, 0, u64::MAX - 4095, &[])]), FIRST + 8, end);
    // The header says 39 bits.
    let width = "registers within the host address width";
    refused(&table(&[drhd(1, 0, 1 << 39, &[])]), FIRST + 8, width);
    assert!(parse(&table(&[drhd(1, 0, (1 << 39) - 4096, &[])])).is_ok());
}

#[test]
fn registers_of_two_units() {
    let twice = [drhd(0, 0, 0x1000, &[]), drhd(0, 1, 0x1000, &[])];
    refused(
        &table(&twice),
        FIRST + 16 + 8,
        "registers that no other unit has",
    );
}

#[test]
fn two_units_that_have_all_the_others() {
    let rivals = [
        drhd(1, 3, 0x1000, &[]),
        drhd(1, 4, 0x2000, &[]),
        drhd(1, 3, 0x3000, &[]),
    ];
    let expected = "INCLUDE_ALL for no more than one unit of a segment";
    refused(&table(&rivals), FIRST + 32 + 4, expected);
}

#[test]
fn reserved_memory_that_cannot_be() {
    let with = |first, last| table(&[unit(), rmrr(0, first, last, &[])]);
    let at = FIRST + 16;
    refused(&with(0x1800, 0x1fff), at + 8, "a 4 KiB aligned base");
    refused(
        &with(0x1000, 0x2000),
        at + 16,
        "a limit that is the last byte of a page",
    );
    refused(&with(0x3000, 0x1fff), at + 16, "a limit above the base");
    refused(&with(0x3000, 0x2fff), at + 16, "a limit above the base");
    let width = "a limit within the host address width";
    refused(&with(0x3000, (1 << 39) + 0xfff), at + 16, width);
    refused(&with(0, u64::MAX), at + 16, width);
    assert!(parse(&with(0x3000, (1 << 39) - 1)).is_ok());
}

#[test]
fn paths_that_lead_nowhere() {
    let with = |path: &[(u8, u8)]| table(&[drhd(0, 0, 0x1000, &[scope(1, 0, path)])]);
    let at = FIRST + 16;
    refused(
        &with(&[]),
        at + 1,
        "a length of 6 and 2 for each step of a path",
    );
    let step = "a device below 32 and a function below 8";
    refused(&with(&[(32, 0)]), at + 6, step);
    refused(&with(&[(31, 7), (0, 8)]), at + 8, step);

    let mut odd = scope(1, 0, &[(1, 0)]);
    odd.push(0);
    odd[1] += 1;
    let table = table(&[drhd(0, 0, 0x1000, &[odd])]);
    refused(
        &table,
        at + 1,
        "a length of 6 and 2 for each step of a path",
    );
}

#[test]
fn more_structures_than_any_machine_has() {
    let many = vec![structure(77, &[], &[]); 1024];
    let table = table(&[&[unit()], &many[..]].concat());
    refused(
        &table,
        FIRST + 16 + 1023 * 4,
        "no more than 1024 structures",
    );
}

#[test]
fn errors_read_as_sentences() {
    let error = parse(&table(&[drhd(1, 0, 0, &[])])).unwrap_err();
    assert_eq!(
        kernel::fmt::Adapter(&error).to_string(),
        "at offset 0x38: expected a 4 KiB aligned address of registers, not 0"
    );
}
