// SPDX-License-Identifier: GPL-2.0

//! Mapping.
//!
//! One walk per run: from the root down to the table that takes the leaves, which is then filled
//! as far as the request and the table go. A request that spans several tables starts again at the
//! root for each, which is a few loads every 512 entries.

use crate::{
    entry::{
        Child,
        Item,
        Node, //
    },
    format::Format,
    level::Level,
    table::Table, //
};
use iommu_core::table::Prot;
use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    pages::{
        Gfp,
        TablePage, //
    }, //
};
use kernel::prelude::*;

/// A request to map, or what is left of one.
#[derive(Clone, Copy)]
struct Request {
    iova: Iova,
    pa: PhysAddr,
    /// Bytes; a multiple of `page`.
    len: usize,
    /// Size of the leaves.
    page: usize,
    /// What the leaves have in common.
    attributes: u64,
    gfp: Gfp,
}

impl<F: Format> Table<F> {
    /// Maps `count` pages; see [`PageTable::map`](iommu_core::table::PageTable::map).
    #[inline]
    pub(crate) fn map_pages(
        &self,
        iova: Iova,
        pa: PhysAddr,
        page: usize,
        count: usize,
        prot: Prot,
        gfp: Gfp,
    ) -> (usize, Result) {
        let request = match self.check(iova, pa, page, count, prot, gfp) {
            Ok(request) => request,
            Err(error) => return (0, Err(error)),
        };
        // Most requests are for one page, or for a few in one table. They are kept out of the loop,
        // and what it needs out of registers and off the stack: it asks again.
        match self.map_run(&request) {
            Ok(done) if done == request.len => (done, Ok(())),
            Ok(done) => self.map_on(iova, pa, (page, count), prot, gfp, done),
            Err(error) => (0, Err(error)),
        }
    }

    /// Goes on with a request for so many pages of a size, of which `done` bytes are mapped.
    #[inline(never)]
    fn map_on(
        &self,
        iova: Iova,
        pa: PhysAddr,
        (page, count): (usize, usize),
        prot: Prot,
        gfp: Gfp,
        mut done: usize,
    ) -> (usize, Result) {
        let request = match self.check(iova, pa, page, count, prot, gfp) {
            Ok(request) => request,
            Err(error) => return (done, Err(error)),
        };
        while done < request.len {
            // CAST: `usize` has 64 bits on every kernel we build for.
            // Nothing wraps: `done` is less than `len`, and `check` has seen both ranges.
            let rest = Request {
                iova: Iova(request.iova.0.wrapping_add(done as u64)),
                pa: PhysAddr(request.pa.0.wrapping_add(done as u64)),
                len: request.len.wrapping_sub(done),
                ..request
            };
            match self.map_run(&rest) {
                Ok(len) => done = done.wrapping_add(len),
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }

    /// Understands a request, or refuses it.
    #[inline(always)]
    fn check(
        &self,
        iova: Iova,
        pa: PhysAddr,
        page: usize,
        count: usize,
        prot: Prot,
        gfp: Gfp,
    ) -> Result<Request> {
        if !self.descriptor.page_sizes.contains(page) {
            return Err(EINVAL);
        }
        let len = page.checked_mul(count).ok_or(EINVAL)?;
        // CAST: `usize` has 64 bits on every kernel we build for.
        let in_page = page.wrapping_sub(1) as u64;
        if (iova.0 | pa.0) & in_page != 0
            || self.input(iova, len).is_none()
            || !self.can_lead_to(pa, len)
        {
            return Err(EINVAL);
        }
        if prot.snoop && !self.descriptor.snoop_control {
            return Err(EINVAL);
        }
        let attributes = F::attributes(prot).ok_or(EINVAL)?;
        Ok(Request {
            iova,
            pa,
            len,
            page,
            attributes,
            gfp,
        })
    }

    /// Fills one run. Returns how many bytes that were, at least one page.
    #[inline(always)]
    fn map_run(&self, request: &Request) -> Result<usize> {
        let node = self.descend(request.iova, request.page, request.gfp)?;
        let level = node.level();
        if request.len == level.len_of(1) {
            return if node.write_leaf(request.iova, request.pa, request.attributes) {
                Ok(request.len)
            } else {
                Err(EEXIST)
            };
        }
        let count = level.spans_in(request.len);
        match node.write_leaves(request.iova, count, request.pa, request.attributes) {
            0 => Err(EEXIST),
            written => Ok(level.len_of(written)),
        }
    }

    /// The table that takes the leaf for `iova`, which is to be of `page` bytes.
    ///
    /// Where a table is in the way of such a leaf the walk goes on into it: the leaves become
    /// smaller. That table may well be empty, left behind by mappings that are gone. To take it
    /// out would mean to look at all its entries, and to tell hardware.
    #[inline(always)]
    fn descend(&self, iova: Iova, page: usize, gfp: Gfp) -> Result<Node<'_, F>> {
        let mut node = self.root.node();
        while !node.level().is_last() {
            let child = match node.visible_item(iova) {
                Item::Table(child) => child,
                Item::Leaf(_) => return Err(EEXIST),
                Item::Empty if self.takes_leaves(node.level(), page) => break,
                Item::Empty => self.grow(node, iova, gfp)?,
            };
            node.enter(child);
        }
        Ok(node)
    }

    /// Whether leaves go into a table of `level`, when they are to be of `page` bytes.
    #[inline]
    fn takes_leaves(&self, level: Level, page: usize) -> bool {
        // CAST: `usize` has 64 bits on every kernel we build for.
        level.span() <= page as u64 && self.descriptor.page_sizes.0 & level.span() != 0
    }

    /// Puts a table below the empty entry for `iova`.
    #[cold]
    #[inline(never)]
    fn grow<'t>(&self, node: Node<'t, F>, iova: Iova, gfp: Gfp) -> Result<Child<'t>> {
        node.install(iova, TablePage::alloc(self.numa, gfp)?)
    }
}
