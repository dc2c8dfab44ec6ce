// SPDX-License-Identifier: GPL-2.0

//! Pages that hold I/O page tables: the interface of `rust/pages.rs`, over [`memory`].

use crate::{
    addr::PhysAddr,
    memory, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Atomic,
        barrier::address_dependency, //
    }, //
};
use std::{
    mem::ManuallyDrop,
    ptr, //
};

/// Entries in a table of one page.
pub const ENTRIES: usize = 4;

/// The entries of one table page.
pub type Entries = [Atomic<u64>; ENTRIES];

/// Allocation context.
#[derive(Clone, Copy)]
pub struct Gfp;

impl Gfp {
    /// May sleep.
    pub const KERNEL: Self = Self;
}

/// A NUMA node. All pages are of one.
#[derive(Clone, Copy, Debug)]
pub struct NumaNode;

impl NumaNode {
    /// Any node.
    pub const ANY: Self = Self;
}

/// One zeroed page of I/O page table.
pub struct TablePage {
    phys: PhysAddr,
}

impl TablePage {
    /// Allocates a zeroed page.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn alloc(_: NumaNode, _: Gfp) -> Result<Self> {
        Ok(Self {
            phys: memory::alloc(),
        })
    }

    /// The physical address of the page.
    pub fn phys(&self) -> PhysAddr {
        self.phys
    }

    /// The entries of the table.
    pub fn entries(&self) -> &Entries {
        // SAFETY: The page is allocated for as long as this owns it.
        unsafe { &*memory::entries(self.phys) }
    }

    /// Gives the page to the table entry that will hold the returned address.
    pub fn into_phys(self) -> PhysAddr {
        ManuallyDrop::new(self).phys
    }

    /// Takes the page back from the table entry that held `phys`.
    ///
    /// # Safety
    ///
    /// See `rust/pages.rs`.
    pub unsafe fn from_phys(phys: PhysAddr) -> Self {
        address_dependency();
        Self { phys }
    }

    /// The entries of the page at `phys`, which some table entry owns.
    ///
    /// # Safety
    ///
    /// See `rust/pages.rs`.
    pub unsafe fn borrow<'a>(phys: PhysAddr) -> &'a Entries {
        address_dependency();
        // SAFETY: The memory stays in place for as long as the model runs.
        unsafe { &*memory::entries(phys) }
    }
}

impl Drop for TablePage {
    fn drop(&mut self) {
        memory::free(self.phys);
    }
}

/// Words that can be written back.
pub trait Words {
    /// Where they are, and how many.
    fn words(&self) -> (*const Atomic<u64>, usize);
}

impl Words for Atomic<u64> {
    fn words(&self) -> (*const Atomic<u64>, usize) {
        (ptr::from_ref(self), 1)
    }
}

impl Words for [Atomic<u64>] {
    fn words(&self) -> (*const Atomic<u64>, usize) {
        (self.as_ptr(), self.len())
    }
}

impl Words for Entries {
    fn words(&self) -> (*const Atomic<u64>, usize) {
        (self.as_ptr(), ENTRIES)
    }
}

/// Writes the CPU cache lines that hold `what` back to memory.
pub fn flush_cache<T: Words + ?Sized>(what: &T) {
    let (first, count) = what.words();
    memory::flush(first, count);
}
