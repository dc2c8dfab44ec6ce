// SPDX-License-Identifier: GPL-2.0

//! A format for tables of four entries, with leaves of 32, 128 and 512 bytes.

use crate::{
    format::{
        Entry,
        Format, //
    },
    level::Level,
    table::{
        Config,
        Table, //
    }, //
};
use iommu_core::table::{
    PageSizes,
    PageTable,
    Prot, //
};
use iommu_ext::{
    addr::PhysAddr,
    pages::NumaNode, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
/// The entry is a leaf, though its table is not of level 0.
const LEAF: u64 = 1 << 2;
const SOFTWARE: u64 = 1 << 3;
const ADDRESS: u64 = !0x1f;

struct Small;

/// Makes an empty table of three levels, which translates 11 bits.
///
/// # Errors
///
/// None: there is always memory.
pub fn new(coherent: bool) -> Result<Arc<dyn PageTable>> {
    let config = Config {
        levels: 3,
        input_bits: 11,
        output_bits: 32,
        page_sizes: PageSizes(Small::PAGE_SIZES),
        coherent,
        snoop_control: false,
        flush_on_map: false,
        numa: NumaNode::ANY,
    };
    Ok(Arc::new(Table::<Small>::new(&config)?, GFP_KERNEL)?)
}

impl Format for Small {
    const NAME: &'static CStr = c"small";
    const MIN_LEVELS: u8 = 3;
    const MAX_LEVELS: u8 = 3;
    const MAX_OUTPUT_BITS: u8 = 52;
    const PAGE_SIZES: u64 = (1 << 5) | (1 << 7) | (1 << 9);
    const WRITTEN_BACK: u64 = SOFTWARE;

    fn decode(word: u64, level: Level) -> Entry {
        let pa = PhysAddr(word & ADDRESS);
        if word & (READ | WRITE) == 0 {
            Entry::Empty
        } else if level.is_last() || word & LEAF != 0 {
            Entry::Leaf(pa)
        } else {
            Entry::Table(pa)
        }
    }

    fn table_at(word: u64) -> PhysAddr {
        PhysAddr(word & ADDRESS)
    }

    fn table(pa: PhysAddr) -> u64 {
        (pa.0 & ADDRESS) | READ | WRITE
    }

    fn attributes(prot: Prot) -> Option<u64> {
        let attributes = u64::from(prot.read) * READ + u64::from(prot.write) * WRITE;
        (attributes != 0).then_some(attributes)
    }

    fn leaf(pa: PhysAddr, level: Level, attributes: u64) -> u64 {
        let size = if level.is_last() { 0 } else { LEAF };
        (pa.0 & ADDRESS) | attributes | size
    }
}

/// Where hardware that does not snoop finds the leaf for `iova`, in a table whose root is at
/// `root`.
pub fn walk(root: PhysAddr, iova: u64) -> Option<PhysAddr> {
    let mut table = root;
    for shift in [9, 7, 5] {
        let index = iova >> shift & 3;
        let word = iommu_ext::memory::read(PhysAddr(table.0 + index * 8));
        if word & (READ | WRITE) == 0 {
            return None;
        }
        table = PhysAddr(word & ADDRESS);
        if word & LEAF != 0 {
            break;
        }
    }
    Some(table)
}
