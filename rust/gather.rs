// SPDX-License-Identifier: GPL-2.0

//! What an unmap leaves behind for the invalidation that must follow it.
//!
//! A [`Gather`] is the kernel's `struct iommu_iotlb_gather`: the range whose translations may
//! still be cached, and the table pages that hardware may still walk. `sync` of the domain sends
//! one invalidation for the range, and only then frees the pages. In lazy mode the kernel's flush
//! queue takes the pages and frees them after a flush of the whole domain.
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

use crate::{
    addr::{
        Iova,
        IovaRange, //
    },
    pages::TablePage, //
};
use core::ptr;
use kernel::{
    bindings,
    ffi::c_void,
    types::Opaque, //
};

extern "C" {
    fn rust_iommu_helper_gather_add_page(
        gather: *mut bindings::iommu_iotlb_gather,
        virt: *mut c_void,
    );
    fn rust_iommu_helper_gather_put_pages(gather: *mut bindings::iommu_iotlb_gather);
    fn rust_iommu_helper_gather_leak_pages(gather: *mut bindings::iommu_iotlb_gather);
}

#[cfg(CONFIG_KUNIT = "y")]
extern "C" {
    fn rust_iommu_helper_gather_init(gather: *mut bindings::iommu_iotlb_gather);
    fn rust_iommu_helper_gather_count_pages(gather: *mut bindings::iommu_iotlb_gather) -> usize;
}

/// The range and the table pages that one or more unmaps have left to invalidate and to free.
///
/// # Invariants
///
/// The object is an initialised `struct iommu_iotlb_gather` used by one thread at a time.
#[repr(transparent)]
pub struct Gather(Opaque<bindings::iommu_iotlb_gather>);

impl Gather {
    /// The gather behind a pointer that the C core passed to a callback.
    ///
    /// # Safety
    ///
    /// `ptr` points to an initialised gather that nobody else uses during `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::iommu_iotlb_gather) -> &'a mut Self {
        // SAFETY: `Gather` is transparent, and the caller gives exclusive access.
        unsafe { &mut *ptr.cast() }
    }

    /// Widens the range that must be invalidated by `range`.
    #[inline]
    pub fn add_range(&mut self, range: IovaRange) {
        let gather = self.0.get();
        // SAFETY: By the type invariant.
        let gather = unsafe { &mut *gather };
        // CAST: `unsigned long` has 64 bits on every kernel we build for.
        gather.start = gather.start.min(range.first().0 as usize);
        gather.end = gather.end.max(range.last().0 as usize);
    }

    /// The range to invalidate; `None` if nothing was unmapped.
    #[inline]
    pub fn range(&self) -> Option<IovaRange> {
        // SAFETY: By the type invariant.
        let gather = unsafe { &*self.0.get() };
        IovaRange::new(Iova(gather.start as u64), Iova(gather.end as u64))
    }

    /// Whether table pages were removed, so that caches of non-leaf entries must go too.
    #[inline]
    pub fn has_pages(&self) -> bool {
        // SAFETY: By the type invariant.
        let pages = unsafe { &(*self.0.get()).freelist.pages };
        // A list without elements points to itself.
        !ptr::eq(pages.next, pages)
    }

    /// Takes a table page that was cut out of the table. It is freed after the invalidation.
    #[inline]
    pub fn add_page(&mut self, page: TablePage) {
        let virt = page.into_virt();
        // SAFETY: By the type invariant; the page came from the allocator the free list is for,
        // and `into_virt` has given up its ownership.
        unsafe { rust_iommu_helper_gather_add_page(self.0.get(), virt.as_ptr()) }
    }

    /// Frees the pages. Only to be called once the invalidation that covers them is complete.
    #[inline]
    pub fn free_pages(&mut self) {
        // SAFETY: By the type invariant; the list owns its pages, and no hardware can walk to
        // them any more.
        unsafe { rust_iommu_helper_gather_put_pages(self.0.get()) }
    }

    /// Forgets the pages without freeing them: hardware may still walk them, and does not answer.
    #[cold]
    pub fn leak_pages(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { rust_iommu_helper_gather_leak_pages(self.0.get()) }
    }
}

/// For tests: otherwise the C core makes gathers, and nobody needs to know how much is in them.
#[cfg(CONFIG_KUNIT = "y")]
impl Gather {
    /// Calls `f` with an empty gather. Pages that are left in it then are leaked.
    pub fn with_new<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        let gather = Opaque::uninit();
        // SAFETY: The slot is valid for writes, and stays where it is.
        unsafe { rust_iommu_helper_gather_init(gather.get()) };
        // SAFETY: Just initialised, and nobody else knows it.
        f(unsafe { Self::from_raw(gather.get()) })
    }

    /// How many table pages there are.
    pub fn pages(&self) -> usize {
        // SAFETY: By the type invariant.
        unsafe { rust_iommu_helper_gather_count_pages(self.0.get()) }
    }
}

#[kernel::macros::kunit_tests(rust_iommu_gather)]
mod tests {
    use super::*;
    use crate::pages::{
        Gfp,
        NumaNode, //
    };
    use kernel::prelude::*;

    fn range(first: u64, last: u64) -> Result<IovaRange> {
        IovaRange::new(Iova(first), Iova(last)).ok_or(EINVAL)
    }

    #[test]
    fn empty() {
        Gather::with_new(|gather| {
            assert!(gather.range().is_none());
            assert!(!gather.has_pages());
            assert_eq!(gather.pages(), 0);
        });
    }

    #[test]
    fn one_range_around_all() -> Result {
        Gather::with_new(|gather| {
            gather.add_range(range(0x5000, 0x5fff)?);
            assert_eq!(gather.range(), Some(range(0x5000, 0x5fff)?));
            gather.add_range(range(0x1000, 0x1fff)?);
            gather.add_range(range(0x2000, 0x2fff)?);
            assert_eq!(gather.range(), Some(range(0x1000, 0x5fff)?));
            gather.add_range(range(u64::MAX - 0xfff, u64::MAX)?);
            assert_eq!(gather.range(), Some(range(0x1000, u64::MAX)?));
            Ok(())
        })
    }

    #[test]
    fn pages_are_held_until_they_are_freed() -> Result {
        Gather::with_new(|gather| {
            for count in 1..=3 {
                gather.add_page(TablePage::alloc(NumaNode::ANY, Gfp::KERNEL)?);
                assert!(gather.has_pages());
                assert_eq!(gather.pages(), count);
            }
            gather.free_pages();
            assert!(!gather.has_pages());
            assert_eq!(gather.pages(), 0);
            Ok(())
        })
    }
}
