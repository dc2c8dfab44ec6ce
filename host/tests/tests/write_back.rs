// SPDX-License-Identifier: GPL-2.0

//! Hardware that does not snoop: what is written back, and how often. That hardware finds the same
//! as the CPU after every call is checked by every other test of such tables.

use tests::watched::{
    config,
    Watched,
    READ_WRITE,
    SIZE_2M,
    SIZE_4K, //
};

/// Cache lines in a table.
const TABLE: usize = 64;

/// Lines flushed by `call`.
fn flushes(watched: &mut Watched, call: impl FnOnce(&mut Watched)) -> usize {
    let before = watched.memory.flushes();
    call(watched);
    watched.memory.flushes() - before
}

fn map(iova: u64, count: usize) -> impl FnOnce(&mut Watched) {
    move |watched| watched.map(iova, 0, SIZE_4K, count, READ_WRITE).1.unwrap()
}

fn unmap(iova: u64, len: usize) -> impl FnOnce(&mut Watched) {
    move |watched| assert_eq!(watched.unmap(iova, len), len)
}

#[test]
fn once_per_run() {
    let mut watched = Watched::new(config(4, false));
    // Three tables, the three entries for them, and the line of the leaf.
    assert_eq!(flushes(&mut watched, map(0, 1)), 3 * TABLE + 3 + 1);
    // A line holds eight entries.
    assert_eq!(flushes(&mut watched, map(0x1000, 1)), 1);
    assert_eq!(flushes(&mut watched, map(0x8000, 8)), 1);
    assert_eq!(flushes(&mut watched, map(0x1_0000, 256)), 32);
    assert_eq!(flushes(&mut watched, unmap(0x1_0000, 256 * 0x1000)), 32);
    assert_eq!(flushes(&mut watched, unmap(0x8000, 0x8000)), 1);
    assert_eq!(flushes(&mut watched, unmap(0x1000, 0x1000)), 1);
}

#[test]
fn once_per_run_of_tables() {
    let mut watched = Watched::new(config(4, false));
    map(0, 9 * 512)(&mut watched);
    // Nine entries that held a table each, in two lines; what is in the tables stays as it is.
    assert_eq!(flushes(&mut watched, unmap(0, 9 * SIZE_2M as usize)), 2);
}

#[test]
fn never_where_hardware_snoops() {
    let mut watched = Watched::new(config(4, true));
    let all = |watched: &mut Watched| {
        map(0, 1024)(watched);
        unmap(0, 1024 * 0x1000)(watched);
        watched.sync();
    };
    assert_eq!(flushes(&mut watched, all), 0);
    assert_eq!(watched.memory.flushes(), 0);
}
