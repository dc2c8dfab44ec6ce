// SPDX-License-Identifier: GPL-2.0

//! The memory that page tables are made of, twice: as the CPUs see it, and as hardware sees it that
//! does not snoop their caches.
//!
//! A page is never used again, so that whoever looks at a freed one is found out. loom itself finds
//! who looks at a page without having seen that it was zeroed, and who frees one without having seen
//! that others are done with it.
//!
//! All threads of a model are run by one thread of the host; models of several tests do not meet.

use crate::{
    addr::{
        PhysAddr,
        PAGE_SIZE, //
    },
    pages::{
        Entries,
        ENTRIES, //
    }, //
};
use kernel::sync::{
    atomic::Atomic,
    barrier::smp_mb, //
};
use loom::cell::UnsafeCell;
use std::{
    array,
    cell::RefCell,
    rc::Rc, //
};

/// What hardware finds where nothing was written back: present, and no address of a table.
const GARBAGE: u64 = !0;

struct Page {
    /// Read by who uses the page, written by who frees it.
    uses: UnsafeCell<()>,
    entries: Rc<Entries>,
    hardware: [u64; ENTRIES],
    is_allocated: bool,
}

thread_local! {
    static PAGES: RefCell<Vec<Page>> = const { RefCell::new(Vec::new()) };
}

/// To be called first in each model: no page is allocated.
pub fn start() {
    PAGES.take();
}

/// Pages that are allocated.
pub fn live() -> usize {
    PAGES.with_borrow(|pages| pages.iter().filter(|page| page.is_allocated).count())
}

/// What hardware that does not snoop reads at `phys`, which is in a page that is allocated.
pub fn read(phys: PhysAddr) -> u64 {
    let index = phys.0 as usize % PAGE_SIZE / size_of::<u64>();
    with_page(phys, |page| page.hardware[index])
}

fn with_page<R>(phys: PhysAddr, f: impl FnOnce(&mut Page) -> R) -> R {
    let number = (phys.0 as usize / PAGE_SIZE).wrapping_sub(1);
    PAGES.with_borrow_mut(|pages| {
        let page = pages.get_mut(number).expect("there is no such page");
        assert!(page.is_allocated, "a freed page is accessed");
        f(page)
    })
}

/// Allocates a zeroed page.
pub(crate) fn alloc() -> PhysAddr {
    let page = Page {
        uses: UnsafeCell::new(()),
        entries: Rc::new(array::from_fn(|_| Atomic::new(0))),
        hardware: [GARBAGE; ENTRIES],
        is_allocated: true,
    };
    PAGES.with_borrow_mut(|pages| {
        pages.push(page);
        // Page 0 is not used.
        PhysAddr((pages.len() * PAGE_SIZE) as u64)
    })
}

/// Frees a page.
pub(crate) fn free(phys: PhysAddr) {
    // What is dropped while a model fails tells nothing.
    if !std::thread::panicking() {
        with_page(phys, |page| {
            page.is_allocated = false;
            page.uses.with_mut(|_| ());
        });
    }
}

/// Where the CPU finds the page at `phys`. It stays there until the next [`start`].
pub(crate) fn entries(phys: PhysAddr) -> *const Entries {
    with_page(phys, |page| {
        page.uses.with(|_| ());
        Rc::as_ptr(&page.entries)
    })
}

/// Writes the words at `first` back. Real caches write whole lines.
pub(crate) fn flush(first: *const Atomic<u64>, count: usize) {
    let words = first.addr()..first.addr() + count * size_of::<Atomic<u64>>();
    smp_mb();
    let mut at = Vec::new();
    PAGES.with_borrow(|pages| {
        for (number, page) in pages.iter().enumerate() {
            for (index, word) in page.entries.iter().enumerate() {
                if words.contains(&std::ptr::from_ref(word).addr()) {
                    at.push((number, index, page.entries.clone()));
                }
            }
        }
    });
    assert_eq!(at.len(), count, "no memory of a page table");
    for (number, index, entries) in at {
        // Not borrowed meanwhile: loom may go on with another thread.
        let value = crate::sync::marked::read_once(&entries[index]);
        PAGES.with_borrow_mut(|pages| pages[number].hardware[index] = value);
    }
    smp_mb();
}
