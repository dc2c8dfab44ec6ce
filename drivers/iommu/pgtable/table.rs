// SPDX-License-Identifier: GPL-2.0

//! A table of any format: how it is made, and the [`PageTable`] it is to the core.

use crate::{
    entry::{
        Item,
        Root, //
    },
    format::Format,
    level::Level,
};
use iommu_core::table::{
    Descriptor,
    PageSizes,
    PageTable,
    Prot, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PhysAddr, //
    },
    gather::Gather,
    pages::{
        Gfp,
        NumaNode, //
    }, //
};
use kernel::prelude::*;

/// What is to be decided about a table of any format. See [`Descriptor`], which repeats it.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Tables on a full walk.
    pub levels: u8,
    /// Width of I/O virtual addresses, in bits. May be less than the levels could translate.
    pub input_bits: u8,
    /// Width of physical addresses, in bits.
    pub output_bits: u8,
    /// Sizes of leaves that may be used. 4 KiB must be among them.
    pub page_sizes: PageSizes,
    /// Whether hardware snoops the CPU caches when it walks.
    pub coherent: bool,
    /// Whether leaves may force accesses to snoop.
    pub snoop_control: bool,
    /// Whether a new mapping must be followed by an invalidation.
    pub flush_on_map: bool,
    /// The NUMA node that tables should be near.
    pub numa: NumaNode,
}

/// A page table of format `F`.
pub(crate) struct Table<F: Format> {
    pub(crate) root: Root<F>,
    pub(crate) descriptor: Descriptor,
    pub(crate) numa: NumaNode,
    /// Greatest address that can be mapped.
    pub(crate) last_iova: Iova,
    /// Greatest address that can be mapped to.
    last_pa: PhysAddr,
}

impl<F: Format> Table<F> {
    /// Makes an empty table.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the format has no such table.
    /// - `ENOMEM`.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let page_lg2 = Level::LAST.span().ilog2();
        let sizes = config.page_sizes.0;
        if !(F::MIN_LEVELS..=F::MAX_LEVELS).contains(&config.levels)
            || !(page_lg2..=Level::input_bits(config.levels)).contains(&config.input_bits.into())
            || !(page_lg2..=F::MAX_OUTPUT_BITS.into()).contains(&config.output_bits.into())
            || sizes & Level::LAST.span() == 0
            || sizes & !F::PAGE_SIZES != 0
        {
            return Err(EINVAL);
        }
        let root = Root::new(Level::top(config.levels), config.coherent, config.numa)?;
        let descriptor = Descriptor {
            format: F::NAME,
            root: root.phys(),
            levels: config.levels,
            input_bits: config.input_bits,
            output_bits: config.output_bits,
            page_sizes: config.page_sizes,
            coherent: config.coherent,
            snoop_control: config.snoop_control,
            flush_on_map: config.flush_on_map,
        };
        Ok(Self {
            root,
            descriptor,
            numa: config.numa,
            last_iova: Iova(last_of(config.input_bits)),
            last_pa: PhysAddr(last_of(config.output_bits)),
        })
    }

    /// The `len` bytes from `iova` on, if the table translates them all.
    #[inline]
    pub(crate) fn input(&self, iova: Iova, len: usize) -> Option<IovaRange> {
        // CAST: `usize` has 64 bits on every kernel we build for.
        IovaRange::with_len(iova, len as u64).filter(|range| range.last() <= self.last_iova)
    }

    /// Whether an entry can hold the address of each of the `len` bytes from `pa` on. `len` is
    /// not 0.
    #[inline]
    pub(crate) fn can_lead_to(&self, pa: PhysAddr, len: usize) -> bool {
        // CAST: As in `input`.
        pa.0.checked_add(len.wrapping_sub(1) as u64)
            .is_some_and(|last| last <= self.last_pa.0)
    }
}

/// Greatest number of `bits` bits.
fn last_of(bits: u8) -> u64 {
    !u64::MAX.checked_shl(bits.into()).unwrap_or(0)
}

impl<F: Format> PageTable for Table<F> {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn map(
        &self,
        iova: Iova,
        pa: PhysAddr,
        page: usize,
        count: usize,
        prot: Prot,
        gfp: Gfp,
    ) -> (usize, Result) {
        self.map_pages(iova, pa, page, count, prot, gfp)
    }

    fn unmap(&self, iova: Iova, len: usize, gather: &mut Gather) -> usize {
        self.unmap_range(iova, len, gather)
    }

    fn is_empty(&self) -> bool {
        self.root.node().is_empty()
    }

    fn lookup(&self, iova: Iova) -> Option<PhysAddr> {
        if iova > self.last_iova {
            return None;
        }
        let mut node = self.root.node();
        loop {
            match node.item(iova) {
                Item::Empty => return None,
                Item::Table(child) => node.enter(child),
                Item::Leaf(pa) => return Some(PhysAddr(pa.0 | node.level().offset(iova))),
            }
        }
    }
}
