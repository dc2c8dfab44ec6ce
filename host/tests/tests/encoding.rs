// SPDX-License-Identifier: GPL-2.0

//! Words of VT-d second-stage tables, computed by hand from the specification (9.8), against those
//! in memory.

use iommu_core::table::Prot;
use iommu_ext::addr::PhysAddr;
use pgtable::table::Config;
use tests::watched::{
    config,
    Watched,
    READ_WRITE,
    SIZE_1G,
    SIZE_2M,
    SIZE_4K, //
};

/// Follows `indices` from the root and gives each entry on the way.
fn entries(watched: &Watched, indices: &[u64]) -> Vec<u64> {
    let mut table = watched.descriptor().root.0;
    let mut entries = Vec::new();
    for index in indices {
        let entry = watched.memory.read(PhysAddr(table + index * 8), true);
        entries.push(entry.expect("no table"));
        table = entries.last().unwrap() & 0x000f_ffff_ffff_f000;
    }
    entries
}

/// The word of the leaf for `iova`, which `indices` lead to.
fn leaf(iova: u64, pa: u64, page: u64, prot: Prot, indices: &[u64]) -> u64 {
    let mut watched = Watched::new(Config {
        output_bits: 52,
        ..config(4, true)
    });
    assert_eq!(watched.map(iova, pa, page, 1, prot).1, Ok(()));
    *entries(&watched, indices).last().unwrap()
}

const READ: Prot = Prot {
    read: true,
    write: false,
    snoop: false,
};
const WRITE: Prot = Prot {
    read: false,
    write: true,
    snoop: false,
};
const SNOOPED: Prot = Prot {
    snoop: true,
    ..READ_WRITE
};

#[test]
fn page_of_4k() {
    // SS-PTE: R bit 0, W bit 1, SNP bit 11, ADDR 51:12; bit 7 is no page size here.
    // Nine bits of the address for each level, from bit 39 down.
    let iova = (3 << 39) | (5 << 30) | (7 << 21) | (9 << 12);
    let path = [3, 5, 7, 9];
    let at = |pa, prot| leaf(iova, pa, SIZE_4K, prot, &path);
    assert_eq!(at(0x1234_5000, READ), 0x0000_0000_1234_5001);
    assert_eq!(at(0x1234_5000, WRITE), 0x0000_0000_1234_5002);
    assert_eq!(at(0x1234_5000, READ_WRITE), 0x0000_0000_1234_5003);
    assert_eq!(at(0x1234_5000, SNOOPED), 0x0000_0000_1234_5803);
    assert_eq!(at(0x000f_ffff_ffff_f000, READ), 0x000f_ffff_ffff_f001);
}

#[test]
fn page_of_2m() {
    // SS-PDE with PS, bit 7: ADDR 51:21.
    let iova = (1 << 39) | (2 << 30) | (3 << 21);
    let at = |pa, prot| leaf(iova, pa, SIZE_2M, prot, &[1, 2, 3]);
    assert_eq!(at(0x0000_0040_0020_0000, READ), 0x0000_0040_0020_0081);
    assert_eq!(at(0x0000_0040_0020_0000, SNOOPED), 0x0000_0040_0020_0883);
    assert_eq!(at(0x000f_ffff_ffe0_0000, WRITE), 0x000f_ffff_ffe0_0082);
}

#[test]
fn page_of_1g() {
    // SS-PDPTE with PS, bit 7: ADDR 51:30.
    let iova = (0x1ff << 39) | (0x1fe << 30);
    let at = |pa, prot| leaf(iova, pa, SIZE_1G, prot, &[0x1ff, 0x1fe]);
    assert_eq!(at(0x0000_0000_4000_0000, READ_WRITE), 0x0000_0000_4000_0083);
    assert_eq!(at(0x000f_ffff_c000_0000, SNOOPED), 0x000f_ffff_c000_0883);
}

#[test]
fn tables() {
    // Entries for tables: R and W (the leaf decides), ADDR, and nothing else but bit 10, which is
    // ignored. PS would be reserved in the two upper levels, and make a leaf in the others.
    for (levels, indices) in [
        (3, &[0, 0, 0][..]),
        (4, &[0, 0, 0, 0]),
        (5, &[0, 0, 0, 0, 0]),
    ] {
        for coherent in [true, false] {
            let mut watched = Watched::new(config(levels, coherent));
            assert_eq!(watched.map(0, 0x1000, SIZE_4K, 1, READ).1, Ok(()));
            let entries = entries(&watched, indices);
            let (leaf, tables) = entries.split_last().unwrap();
            assert_eq!(*leaf, 0x1001);
            for table in tables {
                assert_eq!(table & !0x000f_ffff_ffff_f000, 0x403);
            }
        }
    }
}

#[test]
fn nothing_is_zero() {
    let mut watched = Watched::new(config(4, true));
    for page in [SIZE_4K, SIZE_2M, SIZE_1G] {
        assert_eq!(watched.map(SIZE_1G, SIZE_1G, page, 1, READ_WRITE).1, Ok(()));
        assert_eq!(watched.unmap(SIZE_1G, page as usize), page as usize);
        let path: &[u64] = match page {
            SIZE_4K => &[0, 1, 0, 0],
            SIZE_2M => &[0, 1, 0],
            _ => &[0, 1],
        };
        assert_eq!(entries(&watched, path).last(), Some(&0));
        // So that the next size finds no table in its way.
        watched.map(SIZE_1G, 0, SIZE_2M, 512, READ_WRITE).1.unwrap();
        assert_eq!(watched.unmap(SIZE_1G, SIZE_1G as usize), SIZE_1G as usize);
    }
}
