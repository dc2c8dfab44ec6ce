// SPDX-License-Identifier: GPL-2.0

//! The registers of the invalidation queue (VT-d 11.4.9).

use kernel::io::register;

register! {
    /// Head: the descriptor that the unit takes next.
    pub(crate) IQH_REG(u64) @ 0x80 {
        /// Slot, in a ring of one page of 128-bit descriptors. (Larger rings use bits up to 18.)
        11:4 qh => u8;
    }

    /// Tail: the slot behind the last descriptor.
    pub(crate) IQT_REG(u64) @ 0x88 {
        11:4 qt => u8;
    }

    /// Address and size of the ring.
    pub(crate) IQA_REG(u64) @ 0x90 {
        /// Page frame of the ring.
        63:12 iqa;
        /// Descriptor width: 0 is 128 bits.
        11:11 dw;
        /// The ring has 2^QS pages.
        2:0 qs;
    }

    /// Why the queue stopped. All fields are 0 on units that do not say.
    pub(crate) IQERCD_REG(u64) @ 0xb0 {
        /// ICESID, with FSTS_REG.ICE: requester ID of the device that answered wrongly.
        63:48 icesid => u16;
        /// ITESID, with FSTS_REG.ITE: requester ID of the device that did not answer.
        47:32 itesid => u16;
        /// With FSTS_REG.IQE: what is wrong with the descriptor.
        3:0 iqei;
    }
}
