// SPDX-License-Identifier: GPL-2.0

//! Borders: of the address space, of tables, of leaves, of memory.

use iommu_core::table::{
    PageSizes,
    Prot, //
};
use iommu_ext::memory::Memory;
use kernel::{
    error::code::*,
    prelude::Result, //
};
use pgtable::{
    fmt::vtd_second,
    table::Config, //
};
use tests::{
    hardware::Fault,
    watched::{
        config,
        Watched,
        READ_WRITE,
        SIZE_1G,
        SIZE_2M,
        SIZE_4K, //
    }, //
};

const NOTHING: Prot = Prot {
    read: false,
    write: false,
    snoop: false,
};

fn make(config: Config) -> Result {
    let memory = Memory::new();
    let numa = memory.node();
    vtd_second::new(&Config { numa, ..config }).map(drop)
}

#[test]
fn tables_that_cannot_be() {
    let good = config(4, true);
    assert_eq!(make(good), Ok(()));
    for levels in [0, 1, 2, 6, 7, 255] {
        assert_eq!(make(Config { levels, ..good }), Err(EINVAL));
    }
    for input_bits in [0, 11, 49, 57, 64, 255] {
        assert_eq!(make(Config { input_bits, ..good }), Err(EINVAL));
    }
    for output_bits in [0, 11, 53, 64, 255] {
        let config = Config {
            output_bits,
            ..good
        };
        assert_eq!(make(config), Err(EINVAL));
    }
    for page_sizes in [0, SIZE_2M, SIZE_4K | 1, SIZE_4K | (1 << 39), u64::MAX] {
        let page_sizes = PageSizes(page_sizes);
        assert_eq!(make(Config { page_sizes, ..good }), Err(EINVAL));
    }
}

#[test]
fn no_memory_for_the_root() {
    let memory = Memory::new();
    memory.fail_after(0);
    let config = Config {
        numa: memory.node(),
        ..config(4, true)
    };
    assert_eq!(vtd_second::new(&config).map(drop), Err(ENOMEM));
}

#[test]
fn descriptor_repeats_the_configuration() {
    let watched = Watched::new(Config {
        flush_on_map: true,
        ..config(5, false)
    });
    let table = watched.descriptor();
    assert_eq!(table.format, c"vtd_second_stage");
    assert_eq!(
        (table.levels, table.input_bits, table.output_bits),
        (5, 57, 46)
    );
    assert!(table.flush_on_map && table.snoop_control && !table.coherent);
}

#[test]
fn last_page_of_each_width() {
    for levels in 3..=5 {
        let mut watched = Watched::new(config(levels, true));
        let top = 1 << (12 + 9 * levels);
        for page in [SIZE_1G, SIZE_2M, SIZE_4K] {
            let last = top - page;
            assert_eq!(watched.map(last, 0, page, 1, READ_WRITE).1, Ok(()));
            assert_eq!(watched.lookup(top - 1), Some(page - 1));
            assert_eq!(watched.lookup(top), None);
            assert_eq!(watched.unmap(last, page as usize + 1), 0);
            assert_eq!(watched.unmap(last, page as usize), page as usize);
            assert_eq!(watched.map(last, 0, page, 2, READ_WRITE), (0, Err(EINVAL)));
            assert_eq!(watched.map(top, 0, page, 1, READ_WRITE), (0, Err(EINVAL)));
        }
    }
}

#[test]
fn ranges_that_wrap() {
    let mut watched = Watched::new(config(5, true));
    let last = u64::MAX - 0xfff;
    for (iova, pa, count) in [
        (last, 0, 1),
        (last, 0, 2),
        (0, last, 1),
        (0, last, 2),
        (0, 0, usize::MAX),
        (0, 0, usize::MAX / SIZE_4K as usize + 1),
        (0, 0, 0),
    ] {
        let refused = watched.map(iova, pa, SIZE_4K, count, READ_WRITE);
        assert_eq!(refused, (0, Err(EINVAL)));
    }
    for (iova, len) in [(last, 0x1000), (last, 0x2000), (0, usize::MAX), (0, 0)] {
        assert_eq!(watched.unmap(iova, len), 0);
    }
    assert_eq!(watched.lookup(u64::MAX), None);
}

/// Sizes that have a bit in common with that of a leaf, and those that do not, wherever they begin;
/// and not made of whole pages, which are cut off.
#[test]
fn some_of_many_leaves() {
    let mut watched = Watched::new(config(3, true));
    for (page, base) in [(SIZE_4K, 0), (SIZE_2M, SIZE_1G)] {
        for first in 0..9 {
            for pages in 1..9 {
                for more in [0, 1, page as usize - 1] {
                    let all = 18 * page;
                    assert_eq!(watched.map(base, 0, page, 18, READ_WRITE).1, Ok(()));
                    let len = pages * page as usize;
                    assert_eq!(watched.unmap(base + first * page, len + more), len);
                    let rest = base + first * page + len as u64;
                    watched.unmap(rest, (base + all - rest) as usize);
                    watched.unmap(base, all as usize);
                    watched.sync();
                }
            }
        }
    }
}

#[test]
fn requests_that_are_refused() {
    let mut watched = Watched::new(Config {
        page_sizes: PageSizes(SIZE_4K | SIZE_2M),
        snoop_control: false,
        ..config(4, true)
    });
    let snooped = Prot {
        snoop: true,
        ..READ_WRITE
    };
    for (iova, pa, page, prot) in [
        (0, 0, SIZE_4K, NOTHING),
        (0, 0, SIZE_4K, snooped),
        (0, 0, SIZE_1G, READ_WRITE),
        (0, 0, SIZE_4K | SIZE_2M, READ_WRITE),
        (0, 0, 0, READ_WRITE),
        (0, 0, 1, READ_WRITE),
        (0x800, 0, SIZE_4K, READ_WRITE),
        (0, 0x800, SIZE_4K, READ_WRITE),
        (SIZE_4K, 0, SIZE_2M, READ_WRITE),
        (0, SIZE_4K, SIZE_2M, READ_WRITE),
        (0, 1 << 46, SIZE_4K, READ_WRITE),
    ] {
        assert_eq!(watched.map(iova, pa, page, 1, prot), (0, Err(EINVAL)));
    }
    assert_eq!(watched.memory.live(), 1, "and nothing is allocated");
}

#[test]
fn mapped_already() {
    let mut watched = Watched::new(config(4, true));
    let two = 2 * SIZE_4K as usize;
    assert_eq!(watched.map(0x5000, 0, SIZE_4K, 1, READ_WRITE).1, Ok(()));
    // A page, and the page behind two free ones.
    assert_eq!(
        watched.map(0x5000, 0, SIZE_4K, 1, READ_WRITE),
        (0, Err(EEXIST))
    );
    assert_eq!(
        watched.map(0x3000, 0, SIZE_4K, 9, READ_WRITE),
        (two, Err(EEXIST))
    );
    // A large page over small ones: as far as there is room.
    assert_eq!(
        watched.map(0, 0, SIZE_2M, 1, READ_WRITE),
        (0x3000, Err(EEXIST))
    );
    // Small pages under a large one.
    assert_eq!(watched.map(SIZE_1G, 0, SIZE_1G, 1, READ_WRITE).1, Ok(()));
    let inside = SIZE_1G + SIZE_2M;
    assert_eq!(
        watched.map(inside, 0, SIZE_4K, 1, READ_WRITE),
        (0, Err(EEXIST))
    );
    assert_eq!(
        watched.map(inside, 0, SIZE_2M, 1, READ_WRITE),
        (0, Err(EEXIST))
    );
    watched.check();
}

#[test]
fn large_page_over_an_empty_table() {
    let mut watched = Watched::new(config(4, true));
    watched.map(SIZE_2M, 0, SIZE_4K, 1, READ_WRITE).1.unwrap();
    assert_eq!(watched.unmap(SIZE_2M, 0x1000), 0x1000);
    let before = watched.memory.live();

    // The table stays and takes 512 small leaves; its neighbour is a large one.
    watched.map(SIZE_2M, 0, SIZE_2M, 2, READ_WRITE).1.unwrap();
    let leaves = watched.check().leaves;
    assert_eq!(leaves.len(), 513);
    assert_eq!(leaves.last().unwrap().to.size, SIZE_2M);

    // It goes when the range is unmapped, and then large pages fit again.
    assert_eq!(
        watched.unmap(SIZE_2M, 2 * SIZE_2M as usize),
        2 * SIZE_2M as usize
    );
    watched.sync();
    assert_eq!(watched.memory.live(), before - 1);
    watched.map(SIZE_2M, 0, SIZE_2M, 1, READ_WRITE).1.unwrap();
    assert_eq!(watched.check().leaves.len(), 1);
}

#[test]
fn a_part_of_a_leaf_stays() {
    let mut watched = Watched::new(config(4, true));
    let large = SIZE_2M as usize;
    watched.map(0, 0, SIZE_2M, 2, READ_WRITE).1.unwrap();
    assert_eq!(watched.unmap(0x1000, large), 0);
    assert_eq!(watched.unmap(0, large - 0x1000), 0);
    assert_eq!(watched.unmap(0, large + 0x1000), large);
    assert_eq!(watched.lookup(SIZE_2M), Some(SIZE_2M));
    watched.check();
}

#[test]
fn unmap_stops_at_a_hole() {
    let mut watched = Watched::new(config(4, true));
    watched.map(0, 0, SIZE_4K, 1024, READ_WRITE).1.unwrap();
    let hole = 777;
    assert_eq!(watched.unmap(hole * 0x1000, 0x1000), 0x1000);
    assert_eq!(watched.unmap(0, SIZE_1G as usize), 777 * 0x1000);
    assert_eq!(watched.unmap(0, SIZE_1G as usize), 0);
    let rest = (1024 - 778) * 0x1000;
    assert_eq!(watched.unmap(778 * 0x1000, SIZE_1G as usize), rest);
    assert_eq!(watched.check().leaves.len(), 0);
}

#[test]
fn a_hole_deep_below_is_seen() {
    let mut watched = Watched::new(config(4, true));
    let whole = SIZE_1G as usize;
    watched
        .map(0, 0, SIZE_4K, whole / 0x1000, READ_WRITE)
        .1
        .unwrap();
    // The last page but one.
    let hole = whole - 0x2000;
    assert_eq!(watched.unmap(hole as u64, 0x1000), 0x1000);
    assert_eq!(watched.unmap(0, whole), hole);
    assert_eq!(watched.check().leaves.len(), 1);
}

#[test]
fn whole_tables_are_cut_out() {
    let mut watched = Watched::new(config(5, true));
    let bare = watched.memory.live();
    // 1 GiB of small pages: one table of 512 tables.
    watched
        .map(SIZE_1G, 0, SIZE_4K, 1 << 18, READ_WRITE)
        .1
        .unwrap();
    let full = watched.memory.live();
    assert_eq!(full, bare + 2 + 1 + 512);
    assert_eq!(watched.unmap(SIZE_1G, SIZE_1G as usize), SIZE_1G as usize);
    assert_eq!(watched.memory.live(), full, "hardware may still walk them");
    assert_eq!(
        watched.hardware().translate(SIZE_1G),
        Err(Fault::NotPresent(2))
    );
    watched.sync();
    assert_eq!(watched.memory.live(), bare + 2);
}

#[test]
fn empty_is_what_nothing_was_mapped_in() {
    let mut watched = Watched::new(config(4, true));
    assert!(watched.table().is_empty());
    watched.map(SIZE_1G, 0, SIZE_4K, 1, READ_WRITE).1.unwrap();
    assert!(!watched.table().is_empty());
    // The tables below the top one are left.
    assert_eq!(watched.unmap(SIZE_1G, 0x1000), 0x1000);
    watched.sync();
    assert!(!watched.table().is_empty());
    drop(watched);

    // Here they are not.
    let mut watched = Watched::new(config(4, true));
    let whole = 512 * SIZE_1G as usize;
    watched.map(0, 0, SIZE_1G, 512, READ_WRITE).1.unwrap();
    assert!(!watched.table().is_empty());
    assert_eq!(watched.unmap(0, whole), whole);
    assert!(watched.table().is_empty());
    watched.sync();
}

#[test]
fn every_allocation_fails_once() {
    // From the last pages of one table of level 3 over to the next: two of each lower level.
    let iova = (512 * SIZE_1G) - 4 * SIZE_4K;
    for coherent in [true, false] {
        for after in 0.. {
            let mut watched = Watched::new(config(4, coherent));
            watched.memory.fail_after(after);
            let (mapped, result) = watched.map(iova, 0, SIZE_4K, 8, READ_WRITE);
            watched.check();
            match after {
                0..=2 => assert_eq!((mapped, result), (0, Err(ENOMEM))),
                3..=5 => assert_eq!((mapped, result), (0x4000, Err(ENOMEM))),
                _ => {
                    assert_eq!((mapped, result), (0x8000, Ok(())));
                    break;
                }
            }
            // What is there can be taken out without memory, and mapped again with it.
            assert_eq!(watched.unmap(iova, mapped), mapped);
            watched.memory.fail_no_more();
            assert_eq!(watched.map(iova, 0, SIZE_4K, 8, READ_WRITE).1, Ok(()));
        }
    }
}
