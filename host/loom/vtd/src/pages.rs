// SPDX-License-Identifier: GPL-2.0

//! Pages of memory that the unit reads and writes: the interface of `rust/pages.rs`.
//!
//! All threads of a model are run by one thread of the host; models of several tests do not meet.

use crate::addr::{
    PhysAddr,
    PAGE_SIZE, //
};
use kernel::{
    prelude::*,
    sync::atomic::Atomic, //
};
use std::{
    array,
    cell::RefCell,
    sync::Arc, //
};

/// Words of a page that there are. Models do not come further, and each word costs time.
const WORDS: usize = 16;

type Words = [Atomic<u64>; WORDS];

thread_local! {
    static PAGES: RefCell<Vec<Arc<Words>>> = const { RefCell::new(Vec::new()) };
}

/// To be called first in each model: no page is allocated.
pub(crate) fn start() {
    PAGES.take();
}

/// Has `f` look at the word at `phys`.
pub(crate) fn with_word<R>(phys: u64, f: impl FnOnce(&Atomic<u64>) -> R) -> R {
    let (page, offset) = (phys as usize / PAGE_SIZE - 1, phys as usize % PAGE_SIZE);
    // Not borrowed meanwhile: loom may go on with another thread.
    let words = PAGES.with_borrow(|pages| pages[page].clone());
    f(&words[offset / size_of::<u64>()])
}

/// Allocation context.
#[derive(Clone, Copy)]
pub struct Gfp;

impl Gfp {
    /// May sleep.
    pub const KERNEL: Self = Self;
}

/// A NUMA node.
#[derive(Clone, Copy)]
pub struct NumaNode;

impl NumaNode {
    /// Any node.
    pub const ANY: Self = Self;
}

/// A zeroed page.
pub struct TablePage {
    phys: PhysAddr,
    words: Arc<Words>,
}

impl TablePage {
    /// Allocates a zeroed page.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn alloc(_: NumaNode, _: Gfp) -> Result<Self> {
        let words = Arc::new(array::from_fn(|_| Atomic::new(0)));
        let number = PAGES.with_borrow_mut(|pages| {
            pages.push(words.clone());
            pages.len()
        });
        Ok(Self {
            phys: PhysAddr((number * PAGE_SIZE) as u64),
            words,
        })
    }

    /// The physical address of the page.
    pub fn phys(&self) -> PhysAddr {
        self.phys
    }

    /// The words of the page, as many as there are.
    pub fn entries(&self) -> &[Atomic<u64>] {
        &*self.words
    }
}
