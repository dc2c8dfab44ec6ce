// SPDX-License-Identifier: GPL-2.0

//! Physically contiguous memory that device and CPU share.

use crate::addr::{
    PhysAddr,
    PAGE_SIZE, //
};
use core::{
    ptr::NonNull,
    slice, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::Atomic, //
};

extern "C" {
    fn rust_iommu_helper_direct_map_base() -> usize;
}

/// A power of two of contiguous, naturally aligned pages.
///
/// A device may write to them at any time, hence the atomics.
///
/// # Invariants
///
/// `virt` points into the direct map, to `1 << order` pages that nothing else will free. The sum
/// of their sizes fits `isize`.
pub struct Buffer {
    virt: NonNull<Atomic<u32>>,
    order: u32,
}

// SAFETY: The pages are memory like any other; their content is only reached through atomics.
unsafe impl Send for Buffer {}
// SAFETY: As above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `1 << order` zeroed pages.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also for an order that the page allocator does not serve.
    pub fn new(order: u32) -> Result<Self> {
        if order > bindings::MAX_PAGE_ORDER {
            return Err(ENOMEM);
        }
        let gfp = bindings::GFP_KERNEL | bindings::__GFP_ZERO | bindings::__GFP_NOWARN;
        // SAFETY: Any order up to the highest may be asked for.
        let virt = unsafe { bindings::get_free_pages_noprof(gfp, order) };
        let virt = NonNull::new(virt as *mut Atomic<u32>).ok_or(ENOMEM)?;
        // INVARIANT: The pages are new, and without `__GFP_HIGHMEM` they are in the direct map.
        Ok(Self { virt, order })
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        // By the type invariant this does not overflow.
        PAGE_SIZE.wrapping_shl(self.order)
    }

    /// Where the memory is.
    pub fn phys(&self) -> PhysAddr {
        // SAFETY: The helper only computes an address.
        let base = unsafe { rust_iommu_helper_direct_map_base() };
        let virt = self.virt.as_ptr() as usize;
        PhysAddr(virt.wrapping_sub(base) as u64)
    }

    /// Where the part of `len` bytes from `offset` is.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that part is empty or not inside the buffer.
    pub fn part(&self, offset: usize, len: usize) -> Result<PhysAddr> {
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        if len == 0 || end > self.size() {
            return Err(EINVAL);
        }
        Ok(PhysAddr(self.phys().0.wrapping_add(offset as u64)))
    }

    /// The content.
    pub fn words(&self) -> &[Atomic<u32>] {
        let count = self.size() / size_of::<u32>();
        // SAFETY: By the type invariant the pages are ours, and any bit pattern is a valid word.
        unsafe { slice::from_raw_parts(self.virt.as_ptr(), count) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariant nothing else will free these pages.
        unsafe { bindings::free_pages(self.virt.as_ptr() as usize, self.order) };
    }
}
