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
        // Most requests are for one leaf.
        if self.unmap_leaf(iova, len, gather) {
            return len;
        }
        self.unmap_any(iova, len, gather)
    }

    /// Unmaps the leaf of `len` bytes at `iova`, if it is found. Returns whether it was; else nothing
    /// has changed.
    ///
    /// As [`unmap_any`](Self::unmap_any) in fewer instructions, which leaves to that whatever is not
    /// as it mostly is.
    #[inline(always)]
    fn unmap_leaf(&self, iova: Iova, len: usize, gather: &mut Gather) -> bool {
        // 64 KiB, say, has no bit in common with the size of any leaf: no need to look.
        // CAST: `usize` has 64 bits on every kernel we build for.
        let size = F::PAGE_SIZES & len as u64;
        if size == 0 {
            return false;
        }
        let span_lg2 = size.trailing_zeros();
        // CAST: As above.
        let offsets = (len as u64).wrapping_sub(1);
        if iova.0 & offsets != 0 {
            return false;
        }
        // The sum of the two, as they have no bit in common.
        let last = Iova(iova.0 | offsets);
        if last > self.last_iova {
            return false;
        }
        let mut node = self.root.node();
        while !node.level().is_at_most(span_lg2) {
            match node.visible_table(iova) {
                Some(child) => node.enter(child),
                None => return false,
            }
        }
        // `len` may still be more than one span.
        let cleared = node.level().len_of(1) == len && node.clear_leaf(iova);
        if let Some(range) = IovaRange::new(iova, last).filter(|_| cleared) {
            gather.add_range(range);
        }
        cleared
    }

    /// Unmaps up to `len` bytes, whatever is there.
    #[inline(never)]
    fn unmap_any(&self, iova: Iova, len: usize, gather: &mut Gather) -> usize {
        if self.input(iova, len).is_none() {
            return 0;
        }
        let mut done = self.unmap_run(iova, len, gather);
        if done != 0 && done < len {
            done = self.unmap_on(iova, len, done, gather);
        }
        // CAST: `usize` has 64 bits on every kernel we build for.
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
