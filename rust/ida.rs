// SPDX-License-Identifier: GPL-2.0

//! Allocation of small numbers.
//!
//! C header: [`include/linux/idr.h`](srctree/include/linux/idr.h)

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    types::Opaque, //
};

extern "C" {
    fn rust_iommu_helper_ida_init(ida: *mut bindings::ida);
}

/// Numbers in use, the lowest free one given out first.
///
/// # Invariants
///
/// The object is an initialised `struct ida`, which has its own lock.
#[pin_data(PinnedDrop)]
pub struct Ida {
    #[pin]
    inner: Opaque<bindings::ida>,
}

// SAFETY: `struct ida` may be used from any thread.
unsafe impl Send for Ida {}
// SAFETY: It takes its own lock.
unsafe impl Sync for Ida {}

impl Ida {
    /// No number is in use.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: The helper initialises the object.
        pin_init!(Self {
            // SAFETY: The slot is valid for writes, and stays where it is.
            inner <- Opaque::ffi_init(|ida| unsafe { rust_iommu_helper_ida_init(ida) }),
        })
    }

    /// Takes the lowest free number in `first..=last`. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: none is free.
    /// - `ENOMEM`.
    pub fn alloc(&self, first: u32, last: u32) -> Result<u32> {
        // SAFETY: By the type invariant.
        let ret = unsafe {
            bindings::ida_alloc_range(self.inner.get(), first, last, bindings::GFP_KERNEL)
        };
        to_result(ret)?;
        // CAST: Not negative: just checked.
        Ok(ret as u32)
    }

    /// Gives a number back.
    pub fn free(&self, number: u32) {
        // SAFETY: By the type invariant.
        unsafe { bindings::ida_free(self.inner.get(), number) };
    }
}

#[pinned_drop]
impl PinnedDrop for Ida {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant; nobody else uses the object any more.
        unsafe { bindings::ida_destroy(self.inner.get()) };
    }
}

#[kernel::macros::kunit_tests(rust_iommu_ida)]
mod tests {
    use super::*;
    use kernel::sync::Arc;

    fn ida() -> Result<Arc<Ida>> {
        Arc::pin_init(Ida::new(), GFP_KERNEL)
    }

    #[test]
    fn the_lowest_free_number() -> Result {
        let ida = ida()?;
        for number in 5..=7 {
            assert_eq!(ida.alloc(5, 7), Ok(number));
        }
        assert_eq!(ida.alloc(5, 7), Err(ENOSPC));
        ida.free(6);
        assert_eq!(ida.alloc(5, 7), Ok(6));
        // What is in use does not depend on the range that was asked for.
        assert_eq!(ida.alloc(0, 7), Ok(0));
        assert_eq!(ida.alloc(7, 8), Ok(8));
        Ok(())
    }

    #[test]
    fn the_ends_of_what_hardware_has() -> Result {
        let ida = ida()?;
        assert_eq!(ida.alloc(0, 0), Ok(0));
        assert_eq!(ida.alloc(0, 0), Err(ENOSPC));
        assert_eq!(ida.alloc(0xffff, 0xffff), Ok(0xffff));
        assert_eq!(ida.alloc(0xf_ffff, 0xf_ffff), Ok(0xf_ffff));
        Ok(())
    }
}
