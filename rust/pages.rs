// SPDX-License-Identifier: GPL-2.0

//! Pages that hold I/O page tables: memory the CPU writes and the IOMMU reads.
//!
//! A [`TablePage`] is owned by one place at a time. While hardware may reach it, its owner is the
//! table entry that holds its physical address ([`TablePage::into_phys`]); what reads that entry
//! borrows the page again ([`TablePage::borrow`]), and what removes the entry takes ownership back
//! ([`TablePage::from_phys`]) and hands the page to a [`Gather`](crate::gather::Gather), which
//! frees it after the invalidation.
//!
//! The pages come from the kernel's allocator for IOMMU pages, so they are counted in
//! `/proc/vmstat` (`nr_iommu_pages`) and may be put on the free list of a gather.
//!
//! C header: `drivers/iommu/iommu-pages.h` (private to `drivers/iommu`; its functions are exported).

use crate::addr::PhysAddr;
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Entries in a table of one page: 512 of eight bytes.
pub const ENTRIES: usize = 512;

/// The entries of one table page, as the CPU and the IOMMU share them.
pub type Entries = [Atomic<u64>; ENTRIES];

/// Allocation context, as the C API passes it to `map_pages` (`gfp_t`).
///
/// `kernel::alloc::Flags` cannot be made from a `gfp_t` outside the `kernel` crate.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Gfp(pub bindings::gfp_t);

impl Gfp {
    /// May sleep.
    pub const KERNEL: Self = Self(bindings::GFP_KERNEL);
}

extern "C" {
    fn iommu_alloc_pages_node_sz(nid: c_int, gfp: bindings::gfp_t, size: usize) -> *mut c_void;
    fn iommu_free_pages(virt: *mut c_void);
    fn rust_iommu_helper_direct_map_base() -> usize;
    fn rust_iommu_helper_node_of_proximity(domain: u32) -> c_int;
}

/// Virtual address of physical address 0 in the kernel's direct map.
///
/// The direct map is linear on every architecture we build for, so that one addition does what
/// `phys_to_virt()` does, without a call in the middle of a page walk. Set once, by [`init`],
/// before the first page is allocated.
static DIRECT_MAP_BASE: Atomic<usize> = Atomic::new(0);

/// Where the direct map is.
///
/// A plain load: `Atomic::load` is a call on kernels that do not inline the helpers of the `kernel`
/// crate, and this stands in the middle of every page walk.
#[inline]
fn direct_map_base() -> usize {
    // SAFETY: `init` wrote the value before any page was allocated, and nobody writes it again.
    unsafe { DIRECT_MAP_BASE.as_ptr().read() }
}

/// Learns where the direct map is. To be called once, when the module is loaded.
pub fn init() {
    // SAFETY: The helper only computes an address.
    let base = unsafe { rust_iommu_helper_direct_map_base() };
    DIRECT_MAP_BASE.store(base, Relaxed);
}

/// The NUMA node to take memory from, or any.
///
/// # Invariants
///
/// -1, or a node that was online: the allocator looks at what it knows of the node, and does not
/// check whether it knows anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumaNode(c_int);

impl NumaNode {
    /// Any node.
    // INVARIANT: -1.
    pub const ANY: Self = Self(-1);

    /// The node of a proximity domain, as ACPI's tables number them; any, if there is none, or
    /// none that is online.
    pub fn of_proximity(domain: u32) -> Self {
        // SAFETY: Any number may be asked for.
        // INVARIANT: The helper gives -1, or a node that is online.
        Self(unsafe { rust_iommu_helper_node_of_proximity(domain) })
    }
}

/// One zeroed, naturally aligned 4 KiB page of I/O page table.
///
/// # Invariants
///
/// `virt` points into the direct map, to a page from `iommu_alloc_pages_node_sz()` that nothing
/// else will free.
pub struct TablePage {
    virt: NonNull<Entries>,
}

// SAFETY: The page is memory like any other; its content is only reached through atomics.
unsafe impl Send for TablePage {}
// SAFETY: As above.
unsafe impl Sync for TablePage {}

impl TablePage {
    /// Allocates a zeroed page, near `node`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no page to be had in the context that `gfp` names.
    #[inline]
    pub fn alloc(node: NumaNode, gfp: Gfp) -> Result<Self> {
        // SAFETY: By the invariant of `NumaNode` the allocator knows the node; any context and
        // size may be asked for.
        let virt = unsafe { iommu_alloc_pages_node_sz(node.0, gfp.0, size_of::<Entries>()) };
        // INVARIANT: The page is new, and the allocator only hands out direct-mapped pages.
        Ok(Self {
            virt: NonNull::new(virt.cast()).ok_or(ENOMEM)?,
        })
    }

    /// The physical address that a table entry or register holds to point at this page.
    #[inline]
    pub fn phys(&self) -> PhysAddr {
        let virt = self.virt.as_ptr() as usize;
        PhysAddr(virt.wrapping_sub(direct_map_base()) as u64)
    }

    /// The entries of the table.
    #[inline]
    pub fn entries(&self) -> &Entries {
        // SAFETY: By the type invariant the page is ours, and any bit pattern is a valid entry.
        unsafe { self.virt.as_ref() }
    }

    /// Gives the page to the table entry that will hold the returned address.
    #[inline]
    pub fn into_phys(self) -> PhysAddr {
        ManuallyDrop::new(self).phys()
    }

    /// Takes the page back from the table entry that held `phys`.
    ///
    /// # Safety
    ///
    /// `phys` came from [`into_phys`](Self::into_phys), nobody took it back since, and no one
    /// will [`borrow`](Self::borrow) it through that address again.
    #[inline]
    pub unsafe fn from_phys(phys: PhysAddr) -> Self {
        // INVARIANT: By the safety requirement this is the only owner of a page made by `alloc`.
        Self {
            virt: Self::virt_of(phys),
        }
    }

    /// The entries of the page at `phys`, which some table entry owns.
    ///
    /// # Safety
    ///
    /// `phys` came from [`into_phys`](Self::into_phys), and the page is not freed during `'a`.
    #[inline]
    pub unsafe fn borrow<'a>(phys: PhysAddr) -> &'a Entries {
        // SAFETY: The caller keeps the page allocated, and any bit pattern is a valid entry.
        unsafe { Self::virt_of(phys).as_ref() }
    }

    /// Gives the page away as the address that `iommu_free_pages()` and free lists take.
    #[inline]
    pub(crate) fn into_virt(self) -> NonNull<c_void> {
        ManuallyDrop::new(self).virt.cast()
    }

    #[inline]
    fn virt_of(phys: PhysAddr) -> NonNull<Entries> {
        // CAST: Physical addresses of memory fit `usize` on 64-bit kernels, and these came out
        // of one.
        let virt = direct_map_base().wrapping_add(phys.0 as usize);
        // SAFETY: No page of the direct map lies at virtual address 0.
        unsafe { NonNull::new_unchecked(virt as *mut Entries) }
    }
}

impl Drop for TablePage {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant nothing else will free this page.
        unsafe { iommu_free_pages(self.virt.as_ptr().cast()) }
    }
}

/// Writes the CPU cache lines that hold `what` back to memory, for hardware that does not snoop
/// them. Orders the stores before it ahead of what follows.
///
/// On arm64 nothing is done yet: tables there are only made for coherent walks.
#[inline]
pub fn flush_cache<T: ?Sized>(what: &T) {
    #[cfg(CONFIG_X86)]
    crate::x86::cache::write_back(what);
    #[cfg(not(CONFIG_X86))]
    let _ = what;
}
