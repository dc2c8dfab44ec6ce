// SPDX-License-Identifier: GPL-2.0

//! The store of entries: the words that the CPU and the IOMMU share, and the pages they own.
//!
//! Everything unsafe about a page table is in this file. A [`Node`] is a table that can be
//! reached; it lives no longer than one call of the
//! [`PageTable`](iommu_core::table::PageTable), whose caller keeps the tables on its way from
//! being freed (see the [crate] documentation). All entries are written here, so that a word which
//! decodes as a table always owns a page.
//!
//! # Hardware that does not snoop
//!
//! It reads memory, not the CPU caches: a word counts once its cache line has been written back.
//! Leaves are written back by the call that writes them, a run at a time. An entry for a table
//! is shared: a second CPU may find it before the first has written it back, and must not return
//! from its own map before hardware can walk there. So the entry carries a bit that hardware
//! ignores ([`Format::WRITTEN_BACK`]): whoever finds it unset writes the entry back and sets it.
//! That store goes to the same line, but it does not matter when hardware sees it. Where hardware
//! snoops the bit is set from the start.

use crate::{
    format::{
        Entry,
        Format,
        EMPTY, //
    },
    level::Level,
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop, //
};
use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    gather::Gather,
    pages::{
        flush_cache,
        Entries,
        Gfp,
        NumaNode,
        TablePage, //
    },
    sync::marked::{
        read_once,
        write_once, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    }, //
};

/// An entry decoded.
pub(crate) enum Item<'t> {
    Empty,
    Table(Child<'t>),
    Leaf(PhysAddr),
}

/// The table that an entry leads to, to be entered with [`Node::enter`].
pub(crate) struct Child<'t>(&'t Entries);

/// The root of a table. Owns all that hangs below it.
pub(crate) struct Root<F: Format> {
    page: ManuallyDrop<TablePage>,
    level: Level,
    coherent: bool,
    format: PhantomData<F>,
}

impl<F: Format> Root<F> {
    /// An empty table with its root at `level`, near NUMA node `numa`.
    pub(crate) fn new(level: Level, coherent: bool, numa: NumaNode) -> Result<Self> {
        let page = TablePage::alloc(numa, Gfp::KERNEL)?;
        if !coherent {
            flush_cache(page.entries());
        }
        Ok(Self {
            page: ManuallyDrop::new(page),
            level,
            coherent,
            format: PhantomData,
        })
    }

    /// What hardware is pointed at.
    pub(crate) fn phys(&self) -> PhysAddr {
        self.page.phys()
    }

    /// The table where walks begin.
    #[inline]
    pub(crate) fn node(&self) -> Node<'_, F> {
        Node {
            entries: self.page.entries(),
            level: self.level,
            coherent: self.coherent,
            format: PhantomData,
        }
    }
}

impl<F: Format> Drop for Root<F> {
    fn drop(&mut self) {
        // SAFETY: The field is not used after this.
        let page = unsafe { ManuallyDrop::take(&mut self.page) };
        dismantle::<F>(page, self.level, &mut drop);
    }
}

/// A table that can be reached from the root.
///
/// Small and passed by value, so that a walk keeps it in registers.
pub(crate) struct Node<'t, F> {
    entries: &'t Entries,
    level: Level,
    coherent: bool,
    format: PhantomData<F>,
}

impl<F> Clone for Node<'_, F> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Node<'_, F> {}

impl<'t, F: Format> Node<'t, F> {
    #[inline]
    pub(crate) fn level(self) -> Level {
        self.level
    }

    /// Goes on to a table that an entry of this one leads to.
    #[inline]
    pub(crate) fn enter(&mut self, child: Child<'t>) {
        self.entries = child.0;
        self.level = self.level.below();
    }

    /// What the entry for `iova` says.
    #[inline]
    pub(crate) fn item(self, iova: Iova) -> Item<'t> {
        let word = read_once(self.entry(iova));
        if word & F::WRITTEN_BACK != 0 {
            return Item::Table(self.child(F::table_at(word)));
        }
        self.decode(word)
    }

    /// The table for `iova`, if there is one that hardware is known to see.
    ///
    /// As [`item`](Self::item), in fewer instructions. Once something is mapped below it, a table is
    /// marked so.
    #[inline]
    pub(crate) fn visible_table(self, iova: Iova) -> Option<Child<'t>> {
        let word = read_once(self.entry(iova));
        (word & F::WRITTEN_BACK != 0).then(|| self.child(F::table_at(word)))
    }

    /// Whether no entry leads anywhere.
    pub(crate) fn is_empty(self) -> bool {
        self.entries
            .iter()
            .all(|entry| matches!(self.decode(read_once(entry)), Item::Empty))
    }

    /// What the entry for `iova` says. If that is a table, hardware sees the entry too.
    #[inline]
    pub(crate) fn visible_item(self, iova: Iova) -> Item<'t> {
        let entry = self.entry(iova);
        let word = read_once(entry);
        if word & F::WRITTEN_BACK != 0 {
            return Item::Table(self.child(F::table_at(word)));
        }
        let item = self.decode(word);
        if let Item::Table(_) = item {
            Self::make_visible(entry, word);
        }
        item
    }

    /// Makes the empty `page` the table for `iova`, and gives that table; or the one that another
    /// CPU has just installed, and frees `page`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a leaf.
    pub(crate) fn install(self, iova: Iova, page: TablePage) -> Result<Child<'t>> {
        let entry = self.entry(iova);
        let mut word = F::table(page.phys());
        if self.coherent {
            word |= F::WRITTEN_BACK;
        } else {
            flush_cache(page.entries());
        }
        // ORDERING: The page is zero before hardware or another CPU can find it. And a word found
        // in its place was put there by the same operation.
        let found = match entry.cmpxchg(EMPTY, word, Full) {
            Ok(_) => {
                // The entry owns the page now.
                let _ = page.into_phys();
                word
            }
            Err(found) => found,
        };
        match self.decode(found) {
            Item::Table(child) => {
                Self::make_visible(entry, found);
                Ok(child)
            }
            Item::Empty | Item::Leaf(_) => Err(EEXIST),
        }
    }

    /// Fills up to `count` entries from that of `iova` on with leaves: `pa` onwards. Stops at the
    /// end of the table, and at an entry that is not empty. Returns how many it wrote; hardware
    /// sees them.
    ///
    /// The caller owns the spans of these entries.
    #[inline]
    pub(crate) fn write_leaves(
        self,
        iova: Iova,
        count: usize,
        pa: PhysAddr,
        attributes: u64,
    ) -> usize {
        let run = self.run(iova, count);
        let mut pa = pa;
        let mut written = 0usize;
        for entry in run {
            if read_once(entry) != EMPTY {
                break;
            }
            write_once(entry, F::leaf(pa, self.level, attributes));
            pa = PhysAddr(pa.0.wrapping_add(self.level.span()));
            written = written.wrapping_add(1);
        }
        self.write_back(run, written);
        written
    }

    /// Writes the leaf for `iova`, which hardware then sees. Returns whether the entry was empty.
    ///
    /// As [`write_leaves`](Self::write_leaves) for one, in fewer instructions: most requests are for
    /// one.
    #[inline]
    pub(crate) fn write_leaf(self, iova: Iova, pa: PhysAddr, attributes: u64) -> bool {
        let entry = self.entry(iova);
        if read_once(entry) != EMPTY {
            return false;
        }
        write_once(entry, F::leaf(pa, self.level, attributes));
        if !self.coherent {
            flush_cache(entry);
        }
        true
    }

    /// Clears the entry for `iova`, if it is a leaf, which hardware then sees, but for what it has
    /// cached. Returns whether it was one.
    ///
    /// As [`clear`](Self::clear) for one leaf, in fewer instructions.
    #[inline]
    pub(crate) fn clear_leaf(self, iova: Iova) -> bool {
        let entry = self.entry(iova);
        let Entry::Leaf(_) = F::decode(read_once(entry), self.level) else {
            return false;
        };
        write_once(entry, EMPTY);
        if !self.coherent {
            flush_cache(entry);
        }
        true
    }

    /// Clears up to `count` entries from that of `iova` on, be they leaves or tables without a
    /// hole; what such a table holds is not cleared, its pages go to `gather` as they are. Stops
    /// at the end of the table, at an empty entry, and at a table with a hole. Returns how many it
    /// cleared; hardware sees it, but for what it has cached.
    ///
    /// The caller owns the spans of these entries.
    #[inline]
    pub(crate) fn clear(self, iova: Iova, count: usize, gather: &mut Gather) -> usize {
        let run = self.run(iova, count);
        let mut clear = |entry: &Atomic<u64>, level: Level| {
            match F::decode(read_once(entry), level) {
                Entry::Leaf(_) => write_once(entry, EMPTY),
                Entry::Table(_) if cut::<F>(entry, level, gather) => (),
                Entry::Table(_) | Entry::Empty => return false,
            }
            true
        };
        // Most entries are of level 0. A loop of their own does not ask each of them whether it is.
        let first_left = if self.level.is_last() {
            run.iter().position(|entry| !clear(entry, Level::LAST))
        } else {
            run.iter().position(|entry| !clear(entry, self.level))
        };
        let cleared = first_left.unwrap_or(run.len());
        self.write_back(run, cleared);
        cleared
    }

    #[inline]
    fn entry(self, iova: Iova) -> &'t Atomic<u64> {
        // PANIC: `Level::index` masks, so that no index is out of bounds; the compiler sees it too.
        &self.entries[self.level.index(iova)]
    }

    /// Up to `count` entries from that of `iova` on.
    #[inline]
    fn run(self, iova: Iova, count: usize) -> &'t [Atomic<u64>] {
        let (_, rest) = self.entries.split_at(self.level.index(iova));
        rest.get(..count).unwrap_or(rest)
    }

    #[inline]
    fn decode(self, word: u64) -> Item<'t> {
        match F::decode(word, self.level) {
            Entry::Empty => Item::Empty,
            Entry::Table(pa) => Item::Table(self.child(pa)),
            Entry::Leaf(pa) => Item::Leaf(pa),
        }
    }

    /// The table at `pa`, which an entry of this table holds.
    #[inline]
    fn child(self, pa: PhysAddr) -> Child<'t> {
        // SAFETY: An entry that decodes as a table owns the page since `install`. It is freed only
        // after the table was cut out, for which its addresses, one of which is ours during this
        // call, all have to be the cutter's.
        Child(unsafe { TablePage::borrow(pa) })
    }

    /// Returns once hardware sees the entry for a table that was read as `word`.
    #[inline]
    fn make_visible(entry: &Atomic<u64>, word: u64) {
        #[cold]
        #[inline(never)]
        fn settle<F: Format>(entry: &Atomic<u64>, word: u64) {
            flush_cache(entry);
            // ORDERING: After the flush, which is a full barrier: who reads the bit may rely on
            // it. Everyone who stores here stores this word, and the table stays in place while
            // one of us is in it: nothing is overwritten.
            write_once(entry, word | F::WRITTEN_BACK);
        }
        if word & F::WRITTEN_BACK == 0 {
            settle::<F>(entry, word);
        }
    }

    /// Returns once hardware sees the first `count` entries of `run`.
    #[inline]
    fn write_back(self, run: &[Atomic<u64>], count: usize) {
        if !self.coherent {
            flush_cache(run.get(..count).unwrap_or_default());
        }
    }
}

/// Cuts out the table that `entry` of a table of `level` leads to, unless that has a hole. Returns
/// whether it did.
///
/// The caller owns the span of the entry.
#[inline(never)]
fn cut<F: Format>(entry: &Atomic<u64>, level: Level, gather: &mut Gather) -> bool {
    let Entry::Table(pa) = F::decode(read_once(entry), level) else {
        return false;
    };
    // SAFETY: The entry owns the page since `install`. Only who owns the span may free it.
    let entries = unsafe { TablePage::borrow(pa) };
    if !is_full::<F>(entries, level.below()) {
        return false;
    }
    write_once(entry, EMPTY);
    // SAFETY: The entry owned the page and is cleared: nothing leads there any more, and nobody
    // is on the way, since the span is the caller's.
    let page = unsafe { TablePage::from_phys(pa) };
    dismantle::<F>(page, level.below(), &mut |page| gather.add_page(page));
    true
}

/// Whether every address below the table of `level` that consists of `entries` is mapped.
///
/// Recurses, at most as deep as the table has levels.
fn is_full<F: Format>(entries: &Entries, level: Level) -> bool {
    entries
        .iter()
        .all(|entry| match F::decode(read_once(entry), level) {
            Entry::Empty => false,
            Entry::Leaf(_) => true,
            Entry::Table(pa) => {
                // SAFETY: The entry owns the page since `install`. Only who owns its span may free
                // it: the caller of `cut`, who owns this whole table.
                let below = unsafe { TablePage::borrow(pa) };
                is_full::<F>(below, level.below())
            }
        })
}

/// Hands `page`, a table of `level` that nothing leads to, and all tables below it to `take`.
///
/// Recurses, at most as deep as the table has levels.
fn dismantle<F: Format>(page: TablePage, level: Level, take: &mut impl FnMut(TablePage)) {
    if !level.is_last() {
        for entry in page.entries() {
            if let Entry::Table(pa) = F::decode(read_once(entry), level) {
                // SAFETY: The entry owned the page since `install`. This owns the table that the
                // entry is in and gives it away without reading the entry again.
                let child = unsafe { TablePage::from_phys(pa) };
                dismantle::<F>(child, level.below(), take);
            }
        }
    }
    take(page);
}

/// For tests.
#[cfg(any(test, CONFIG_KUNIT = "y"))]
impl<'t, F: Format> Node<'t, F> {
    /// The entry for `iova`, as it is.
    pub(crate) fn word(self, iova: Iova) -> &'t Atomic<u64> {
        self.entry(iova)
    }
}
