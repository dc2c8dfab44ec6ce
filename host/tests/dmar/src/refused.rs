// SPDX-License-Identifier: GPL-2.0

//! What is no table, or describes no unit: where the error is said to be, and what was expected
//! there.

use crate::{
    dmar::{
        parse,
        Error, //
    },
    table::{
        drhd,
        structure,
        with_checksum,
        Table, //
    }, //
};

fn table() -> Vec<u8> {
    Table::new().with(&drhd(1, 0, 0xfed9_0000, &[])).bytes()
}

#[track_caller]
pub(crate) fn refused(table: &[u8], at: usize, what: &str) {
    match parse(table) {
        Err(Error::Malformed { offset, expected }) => {
            assert_eq!((offset, expected), (at, what));
        }
        other => panic!("expected an error at {at}, got {other:?}"),
    }
}

const FIXED_FIELDS: &str = "a length that covers the fixed fields";

#[test]
fn no_bytes() {
    refused(&[], 0, "more bytes");
}

#[test]
fn another_signature() {
    let mut table = table();
    table[..4].copy_from_slice(b"DMAX");
    refused(&with_checksum(table), 0, "the signature DMAR");
}

#[test]
fn a_table_that_is_shorter_than_its_header() {
    let mut table = table();
    table[4..8].copy_from_slice(&47u32.to_le_bytes());
    refused(&with_checksum(table), 4, FIXED_FIELDS);
}

#[test]
fn a_table_that_says_it_is_longer_than_it_is() {
    let mut table = table();
    table[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(&table, 4, "a length that ends inside what is around");
}

#[test]
fn no_unit() {
    let expected = "a remapping unit (DRHD)";
    refused(&Table::new().bytes(), 48, expected);
    let atsr = structure(2, &[0; 4], &[]);
    refused(&Table::new().with(&atsr).bytes(), 48, expected);
}

#[test]
fn half_a_unit() {
    let mut half = drhd(1, 0, 0xfed9_0000, &[]);
    half[2] = 15;
    half.pop();
    refused(&Table::new().with(&half).bytes(), 50, FIXED_FIELDS);
}

#[test]
fn errors_read_as_sentences() {
    let error = parse(&Table::new().bytes()).unwrap_err();
    assert_eq!(
        kernel::fmt::Adapter(&error).to_string(),
        "at offset 0x30: expected a remapping unit (DRHD)"
    );
}
