// SPDX-License-Identifier: GPL-2.0

//! Cache lines on their way to memory.
//!
//! C header: [`arch/x86/include/asm/cacheflush.h`](srctree/arch/x86/include/asm/cacheflush.h)

use core::arch::asm;
use kernel::bindings;

/// Size of a cache line, in bytes: that of every CPU that came with an IOMMU.
const LINE: usize = 64;

/// Writes the lines that hold `what`, a page at most, back to memory, between two full barriers.
/// That is what `clflush_cache_range()` does, which is called for more than one line.
#[inline]
pub(crate) fn write_back<T: ?Sized>(what: &T) {
    let start = core::ptr::from_ref(what).cast::<u8>();
    let size = size_of_val(what);
    let line = |offset: usize| start.addr().wrapping_add(offset) & !(LINE - 1);
    if line(0) == line(size.wrapping_sub(1)) {
        // SAFETY: The line is mapped, as the object is, and writing it back changes no value.
        unsafe {
            asm!(
                "mfence",
                "clflush ({start})",
                "mfence",
                start = in(reg) start,
                options(att_syntax, nostack, preserves_flags),
            )
        };
    } else {
        // SAFETY: As above.
        // CAST: A page at most.
        unsafe { bindings::clflush_cache_range(start.cast_mut().cast(), size as u32) }
    }
}
