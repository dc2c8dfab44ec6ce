// SPDX-License-Identifier: GPL-2.0

//! Entries of 128 bits, replaced in one store.
//!
//! The IOMMU reads such an entry as one unit. Two stores of 64 bits would let it see half of the
//! old and half of the new one; a locked `cmpxchg16b` does not.
//!
//! C header: [`arch/x86/include/asm/cmpxchg_64.h`](srctree/arch/x86/include/asm/cmpxchg_64.h)

use crate::pages::Entries;
use core::arch::{
    asm,
    x86_64::__cpuid, //
};

/// Whether this CPU can replace an entry of 128 bits in one store. Early x86-64 CPUs could not;
/// none of them came with an IOMMU.
pub fn is_supported() -> bool {
    const CX16: u32 = 1 << 13;
    // SAFETY: Every x86-64 CPU has the instruction, and leaf 1.
    let leaf = unsafe { __cpuid(1) };
    leaf.ecx & CX16 != 0
}

/// Replaces the pair of entries `2 * index` and `2 * index + 1` of a table by `[low, high]` and
/// returns what was there. Orders all accesses before it ahead of all after it.
///
/// Only to be called where [`is_supported`].
#[inline]
pub fn swap(table: &Entries, index: u8, [low, high]: [u64; 2]) -> [u64; 2] {
    let pair = table
        .as_ptr()
        .cast::<[u64; 2]>()
        .wrapping_add(usize::from(index));
    let (mut old_low, mut old_high) = (0, 0);
    loop {
        let swapped: u8;
        // SAFETY: A table is a page of 256 pairs, so the pair lies in it and is aligned to its
        // size; the entries are atomics, so that they may be written through a shared reference.
        // `rbx`, which the compiler keeps for itself, is put back.
        unsafe {
            asm!(
                "xchgq {low}, %rbx",
                "lock cmpxchg16b (%rdi)",
                "xchgq {low}, %rbx",
                "sete {swapped}",
                // Not any register: that may be `rbx`, which holds `low` when the address is used.
                in("rdi") pair,
                low = inout(reg) low => _,
                in("rcx") high,
                inout("rax") old_low,
                inout("rdx") old_high,
                swapped = lateout(reg_byte) swapped,
                options(att_syntax, nostack),
            )
        };
        if swapped != 0 {
            return [old_low, old_high];
        }
    }
}
