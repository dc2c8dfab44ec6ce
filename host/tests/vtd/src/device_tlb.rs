// SPDX-License-Identifier: GPL-2.0

//! Requests to devices' own TLBs: what they say, by the words of VT-d 6.5.2.5.

use crate::{
    invalidate::descriptor::{
        Block,
        Descriptor, //
    },
    regs::capability::Drain, //
};
use iommu_ext::addr::{
    Iova,
    IovaRange, //
};

const DRAIN: Drain = Drain {
    reads: true,
    writes: true,
};

fn words(physical: u16, queue_depth: u8, block: Block) -> [u64; 2] {
    let request = Descriptor::DeviceTlb {
        sid: 0x0123,
        physical,
        queue_depth,
        block,
    };
    request.encode(DRAIN.into())
}

/// First address and number of pages that the second word names.
fn pages(word: u64) -> (u64, u128) {
    let page = word >> 12;
    if word & 1 == 0 {
        return (page << 12, 1);
    }
    let offsets = page.trailing_ones();
    let first = page & u64::MAX << offsets;
    (first << 12, 1 << (offsets + 1))
}

#[test]
fn the_device_is_named() {
    let page = Block::around(IovaRange::with_len(Iova(0), 4096).unwrap());
    assert_eq!(words(0, 0, page), [0x0000_0123_0000_0003, 0]);
    assert_eq!(words(0, 31, page)[0], 0x0000_0123_001f_0003);
    // The physical function is in two parts.
    assert_eq!(words(0xabcd, 7, page)[0], 0xabc0_0123_0007_d003);
}

#[test]
fn the_smallest_block_that_has_the_range() {
    for (first, len, expected) in [
        (0x1000, 0x1000, (0x1000, 1)),
        (0x2000, 0x2000, (0x2000, 2)),
        // Unaligned: the block around it.
        (0x1000, 0x2000, (0, 4)),
        (0x3000, 0x2000, (0, 8)),
        (0x20_0000, 0x20_0000, (0x20_0000, 512)),
        (0xffff_f000, 0x2000, (0, 1 << 21)),
        (!0xfff, 0x1000, (!0xfff, 1)),
    ] {
        let range = IovaRange::with_len(Iova(first), len).unwrap();
        assert_eq!(pages(words(0, 0, Block::around(range))[1]), expected);
    }
}

#[test]
fn all_pages() {
    let all = IovaRange::new(Iova(0), Iova(u64::MAX)).unwrap();
    assert_eq!(Block::around(all), Block::ALL);
    assert_eq!(words(0, 0, Block::ALL)[1], 0x7fff_ffff_ffff_f001);
}
