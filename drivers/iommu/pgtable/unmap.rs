// SPDX-License-Identifier: GPL-2.0

//! Unmapping.
//!
//! The walk goes down only as far as it must: the first table with an entry whose span the
//! request covers whole is where entries are cleared, leaves and tables alike. Below that only
//! tables with holes are visited, in order to stop at the hole.
//!
//! A table that is left without an entry stays: to know it would take a look at all the others.
//! It is used again by the next mapping there, and goes when a range that covers it is unmapped,
//! or with the whole table.

use crate::{
    entry::Item,
    format::Format,
    level::Level,
    table::Table, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange, //
    },
    gather::Gather, //
};

impl<F: Format> Table<F> {
    /// Unmaps up to `len` bytes; see [`PageTable::unmap`](iommu_core::table::PageTable::unmap).
    #[inline]
    pub(crate) fn unmap_range(&self, iova: Iova, len: usize, gather: &mut Gather) -> usize {
        if self.input(iova, len).is_none() {
            return 0;
        }
        // Most requests are for one page: see `map_pages`.
        let mut done = self.unmap_run(iova, len, gather);
        if done != 0 && done < len {
            done = self.unmap_on(iova, len, done, gather);
        }
        if let Some(range) = IovaRange::with_len(iova, done as u64) {
            gather.add_range(range);
        }
        done
    }

    /// Goes on with a request of which `done` bytes are unmapped. Returns how many are in the end.
    #[inline(never)]
    fn unmap_on(&self, iova: Iova, len: usize, mut done: usize, gather: &mut Gather) -> usize {
        while done < len {
            // CAST: `usize` has 64 bits on every kernel we build for.
            // Nothing wraps: `done` is less than `len`, and `input` has seen the range.
            let rest = Iova(iova.0.wrapping_add(done as u64));
            match self.unmap_run(rest, len.wrapping_sub(done), gather) {
                0 => break,
                more => done = done.wrapping_add(more),
            }
        }
        done
    }

    /// Unmaps up to `len` bytes from `iova` on, as far as one table goes. Returns how many, 0 if
    /// the first leaf is missing or only partly covered.
    #[inline(always)]
    fn unmap_run(&self, iova: Iova, len: usize, gather: &mut Gather) -> usize {
        let Some(largest) = Level::largest_lg2(iova, len) else {
            return 0;
        };
        let mut node = self.root.node();
        // Tables whose entries are covered in part only.
        while !node.level().is_at_most(largest) {
            match node.item(iova) {
                Item::Table(child) => node.enter(child),
                Item::Empty | Item::Leaf(_) => return 0,
            }
        }
        if len == node.level().len_of(1) && node.clear_leaf(iova) {
            return len;
        }
        loop {
            let level = node.level();
            let cleared = node.clear(iova, level.spans_in(len), gather);
            if cleared != 0 {
                return level.len_of(cleared);
            }
            match node.item(iova) {
                Item::Table(child) => node.enter(child),
                Item::Empty | Item::Leaf(_) => return 0,
            }
        }
    }
}
