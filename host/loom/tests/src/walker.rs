// SPDX-License-Identifier: GPL-2.0

//! Maps, unmaps and look-ups of neighbours, who share tables.

use crate::explore;
use iommu_core::table::{
    PageTable,
    Prot, //
};
use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    gather::Gather,
    memory,
    pages::Gfp, //
};
use kernel::sync::Arc;
use loom::thread;
use pgtable::fmt::small;

/// What an entry of the last level covers, and a page is.
pub const PAGE: u64 = 32;
/// What a table of the last level covers.
pub const TABLE: u64 = 4 * PAGE;

/// Maps pages, and looks at the last of them by the eyes of hardware that does not snoop, if that
/// is what the table is for.
pub fn map(table: &dyn PageTable, iova: u64, pa: u64, count: usize) {
    let prot = Prot {
        read: true,
        write: true,
        snoop: false,
    };
    let done = table.map(
        Iova(iova),
        PhysAddr(pa),
        PAGE as usize,
        count,
        prot,
        Gfp::KERNEL,
    );
    assert_eq!(done, (count * PAGE as usize, Ok(())));
    let last = (count as u64 - 1) * PAGE;
    let descriptor = table.descriptor();
    if !descriptor.coherent {
        let seen = small::walk(descriptor.root, iova + last);
        assert_eq!(seen, Some(PhysAddr(pa + last)), "hardware does not see it");
    }
    assert_eq!(table.lookup(Iova(iova + last)), Some(PhysAddr(pa + last)));
}

/// Unmaps all of it, and looks at it as [`map`] does. Returns how many tables were cut out; nothing
/// has them cached.
fn unmap(table: &dyn PageTable, iova: u64, len: u64) -> usize {
    let mut gather = Gather::new();
    assert_eq!(
        table.unmap(Iova(iova), len as usize, &mut gather),
        len as usize
    );
    assert_eq!(table.lookup(Iova(iova)), None);
    let descriptor = table.descriptor();
    if !descriptor.coherent {
        let seen = small::walk(descriptor.root, iova);
        assert_eq!(seen, None, "hardware still sees it");
    }
    let pages = gather.pages();
    gather.free_pages();
    pages
}

/// Runs `other` beside `this`, both on one table, and checks that no page is lost in the end.
fn beside(
    name: &str,
    coherent: bool,
    before: fn(&dyn PageTable),
    this: fn(&dyn PageTable),
    other: fn(&dyn PageTable),
    tables: usize,
) {
    let walk = if coherent { "snooped" } else { "not snooped" };
    explore(&format!("{name}, {walk}"), move || {
        let table = small::new(coherent).unwrap();
        before(&*table);
        let shared: Arc<dyn PageTable> = table.clone();
        let thread = thread::spawn(move || other(&*shared));
        this(&*table);
        thread.join().unwrap();
        assert_eq!(memory::live(), tables, "tables");
        drop(table);
        assert_eq!(memory::live(), 0, "tables are leaked");
    });
}

fn nothing(_: &dyn PageTable) {}

/// Two missing tables, wanted by both: one of the two installs each, the other frees its own.
#[test]
fn install_race() {
    for coherent in [true, false] {
        beside(
            "install race",
            coherent,
            nothing,
            |table| map(table, 0, 0x1000, 1),
            |table| map(table, PAGE, 0x2000, 1),
            3,
        );
    }
}

/// Whoever looks up finds no table that is not zeroed, and nothing where nothing is.
#[test]
fn look_up_beside_map() {
    for coherent in [true, false] {
        beside(
            "look-up beside map",
            coherent,
            nothing,
            |table| map(table, 0, 0x1000, 1),
            |table| assert_eq!(table.lookup(Iova(PAGE)), None),
            3,
        );
    }
}

/// A table is cut out and made again while a neighbour installs the one above it, or is on its way
/// through that.
#[test]
fn cut_out_beside_map() {
    for coherent in [true, false] {
        beside(
            "cut out beside map",
            coherent,
            nothing,
            |table| {
                map(table, 0, 0x1000, 4);
                assert_eq!(unmap(table, 0, TABLE), 1);
                map(table, 0, 0x3000, 1);
            },
            |table| map(table, TABLE, 0x2000, 1),
            4,
        );
    }
}
