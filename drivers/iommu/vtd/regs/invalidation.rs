// SPDX-License-Identifier: GPL-2.0

//! The registers of the invalidation queue (VT-d 11.4.9), and those that invalidate by themselves
//! while the queue is off (11.4.5, 11.4.6), on units that have them (6.5.1).

use kernel::{
    bitfield,
    io::register, //
};

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

    /// Invalidation of the context cache without the queue.
    pub(crate) CCMD_REG(u64) @ 0x28 {
        /// ICC: start it; clear again once it is complete.
        63:63 icc => bool;
        /// Granularity that is asked for: 1 is everything.
        62:61 cirg;
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

bitfield! {
    /// IOTLB invalidate register, the second of two at an offset that ECAP_REG.IRO says: an
    /// invalidation of the IOTLB without the queue.
    pub(crate) struct IotlbRegister(u64) {
        /// IVT: start it; clear again once it is complete.
        63:63 ivt => bool;
        /// Granularity that is asked for: 1 is everything.
        61:60 iirg;
        /// Wait for reads in flight.
        49:49 dr => bool;
        /// Wait for writes in flight.
        48:48 dw => bool;
    }
}
