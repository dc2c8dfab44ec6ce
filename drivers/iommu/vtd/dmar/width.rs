// SPDX-License-Identifier: GPL-2.0

//! How wide physical addresses are (VT-d 8.1, Host Address Width).
//!
//! Page tables refuse addresses above this width, which hardware might take for reserved bits. But
//! some firmware says less than the machine has, and then drivers would find that their memory
//! cannot be mapped. So a width that cannot be is not believed: tables then take what an entry can
//! hold, as those of the kernel's own driver always do. A translation that hardware does not like is
//! a fault, and no access.

use super::{
    About,
    Dmar,
    Result, //
};
use iommu_ext::vec::KVecExt;

/// The widest address that a page-table entry holds, in bits (9.8).
const WIDEST: u8 = 52;

/// Where the table says it.
const OFFSET: usize = 36;

impl Dmar {
    /// Decides how wide physical addresses are, in bits: 52 at most. Leaves out reserved memory
    /// that is not within that.
    ///
    /// `is_used`: whether the machine has memory, or a window of PCI devices, between these two
    /// addresses, both included.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub(crate) fn settle_width(&mut self, is_used: impl FnOnce(u64, u64) -> bool) -> Result<u8> {
        const INSTEAD: &str = "52 bits are taken instead";
        let said = u8::try_from(self.said_bits)
            .ok()
            .filter(|bits| *bits <= WIDEST);
        let bits = match said {
            None => {
                self.notes.fault(
                    OFFSET,
                    "no entry of a page table holds addresses of",
                    About::Bits(self.said_bits),
                    INSTEAD,
                )?;
                WIDEST
            }
            Some(bits) if is_used(last_of(bits).saturating_add(1), u64::MAX) => {
                self.notes.fault(
                    OFFSET,
                    "memory, or a PCI window, is above the host address width of",
                    About::Bits(bits.into()),
                    INSTEAD,
                )?;
                WIDEST
            }
            Some(bits) => bits,
        };
        let last = last_of(bits);
        for memory in self.reserved.iter().filter(|memory| memory.last > last) {
            self.notes.fault(
                memory.offset,
                "reserved memory (RMRR) beyond the host address width:",
                About::Range(memory.first, memory.last),
                "it is left out",
            )?;
        }
        self.reserved.remove_where(|memory| memory.last > last);
        Ok(bits)
    }
}

/// The last address of `bits` bits, of which there is one at least.
fn last_of(bits: u8) -> u64 {
    u64::MAX >> 64u32.saturating_sub(bits.into()).min(63)
}
