// SPDX-License-Identifier: GPL-2.0

//! Pages that hold I/O page tables: the interface of `rust/pages.rs`, over [`memory`].

use crate::{
    addr::PhysAddr,
    memory, //
};
use kernel::{
    context,
    prelude::*,
    sync::atomic::Atomic, //
};
use std::{
    mem::ManuallyDrop,
    ptr, //
};

/// Entries in a table of one page.
pub const ENTRIES: usize = 512;

/// The entries of one table page.
pub type Entries = [Atomic<u64>; ENTRIES];

/// Allocation context.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Gfp(pub u32);

/// `__GFP_DIRECT_RECLAIM`: whoever asks may sleep until there is memory.
const MAY_SLEEP: u32 = 0x400;

impl Gfp {
    /// May sleep.
    pub const KERNEL: Self = Self(0xcc0);
    /// May not sleep.
    pub const ATOMIC: Self = Self(0x820);
}

/// The NUMA node to take memory from, or any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumaNode(pub i32);

impl NumaNode {
    /// Any node.
    pub const ANY: Self = Self(-1);
}

/// One zeroed page of I/O page table.
pub struct TablePage {
    phys: PhysAddr,
}

impl TablePage {
    /// Allocates a zeroed page from the bank of NUMA node `node`.
    #[track_caller]
    pub fn alloc(node: NumaNode, gfp: Gfp) -> Result<Self> {
        context::allocates(gfp.0 & MAY_SLEEP != 0);
        let virt = memory::alloc(node.0).ok_or(ENOMEM)?;
        Ok(Self {
            phys: memory::phys_of(virt),
        })
    }

    /// The physical address of the page.
    pub fn phys(&self) -> PhysAddr {
        self.phys
    }

    /// The entries of the table.
    pub fn entries(&self) -> &Entries {
        // SAFETY: The page is allocated for as long as this owns it.
        unsafe { Self::borrow(self.phys) }
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
        Self { phys }
    }

    /// The entries of the page at `phys`, which some table entry owns.
    ///
    /// # Safety
    ///
    /// See `rust/pages.rs`.
    pub unsafe fn borrow<'a>(phys: PhysAddr) -> &'a Entries {
        // SAFETY: `virt_of` gives a page that is allocated; the banks are never unmapped.
        unsafe { &*memory::virt_of(phys).cast() }
    }
}

impl Drop for TablePage {
    fn drop(&mut self) {
        memory::free(self.phys);
    }
}

/// Writes the CPU cache lines that hold `what` back to memory.
pub fn flush_cache<T: ?Sized>(what: &T) {
    memory::flush(ptr::from_ref(what).cast(), size_of_val(what));
}
