// SPDX-License-Identifier: GPL-2.0

//! What an unmap leaves behind: the interface of `rust/gather.rs`.

use crate::{
    addr::{
        Iova,
        IovaRange, //
    },
    pages::TablePage, //
};

/// The range and the table pages that one or more unmaps have left to invalidate and to free.
pub struct Gather {
    first: u64,
    last: u64,
    pages: Vec<TablePage>,
}

impl Gather {
    /// A gather with nothing in it.
    #[expect(clippy::new_without_default, reason = "the kernel's has none either")]
    pub fn new() -> Self {
        Self {
            first: u64::MAX,
            last: 0,
            pages: Vec::new(),
        }
    }

    /// Calls `f` with an empty gather. Pages that are left in it then are leaked.
    pub fn with_new<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        f(&mut Self::new())
    }

    /// Widens the range that must be invalidated by `range`.
    pub fn add_range(&mut self, range: IovaRange) {
        self.first = self.first.min(range.first().0);
        self.last = self.last.max(range.last().0);
    }

    /// The range to invalidate.
    pub fn range(&self) -> Option<IovaRange> {
        IovaRange::new(Iova(self.first), Iova(self.last))
    }

    /// Whether table pages were removed.
    pub fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// How many table pages there are.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Takes a table page that was cut out of the table.
    pub fn add_page(&mut self, page: TablePage) {
        self.pages.push(page);
    }

    /// Frees the pages.
    pub fn free_pages(&mut self) {
        self.pages.clear();
    }

    /// Forgets the pages without freeing them.
    pub fn leak_pages(&mut self) {
        self.pages.drain(..).for_each(std::mem::forget);
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        // Like the kernel's list, which nobody frees for us: the pages are leaked, and that is
        // seen when the memory is dropped.
        self.leak_pages();
    }
}
