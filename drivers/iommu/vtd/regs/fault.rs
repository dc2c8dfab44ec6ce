// SPDX-License-Identifier: GPL-2.0

//! Fault status, the fault event, and the fault recording registers (VT-d 11.4.7).

use super::{
    capability::FaultRecords,
    Regs, //
};
use kernel::{
    bitfield,
    io::register,
    prelude::*, //
};

register! {
    /// Fault status. Bits that report an error are cleared by writing 1 to them.
    pub(crate) FSTS_REG(u32) @ 0x34 {
        /// Index of the first fault record that is pending.
        15:8 fri => u8;
        /// A device did not answer a device-TLB invalidation in time.
        6:6 ite => bool;
        /// A device answered a device-TLB invalidation wrongly.
        5:5 ice => bool;
        /// The invalidation queue stopped at a descriptor that is in error.
        4:4 iqe => bool;
        /// A fault record is pending. Read-only: clears with the last record.
        1:1 ppf => bool;
        /// A fault was not recorded for want of a free record.
        0:0 pfo => bool;
    }

    /// Fault event control. The bits that are not named must be written as they were read.
    pub(crate) FECTL_REG(u32) @ 0x38 {
        /// The event is masked.
        31:31 im => bool;
    }

    /// Value that a fault event writes.
    pub(crate) FEDATA_REG(u32) @ 0x3c {
        31:0 imd;
    }

    /// Address that a fault event writes to, low half.
    pub(crate) FEADDR_REG(u32) @ 0x40 {
        31:0 ma;
    }

    /// Address that a fault event writes to, high half.
    pub(crate) FEUADDR_REG(u32) @ 0x44 {
        31:0 mua;
    }
}

impl FSTS_REG {
    /// Writing this clears all errors of the invalidation queue.
    pub(crate) const OF_QUEUE: Self = Self::from_raw(1 << 6 | 1 << 5 | 1 << 4);

    /// Whether an error of the invalidation queue is pending.
    pub(crate) fn is_of_queue(self) -> bool {
        self.iqe() || self.ite() || self.ice()
    }
}

/// The registers by which a unit sends its fault event.
pub(crate) struct EventRegisters {
    control: FECTL_REG,
    data: FEDATA_REG,
    address_low: FEADDR_REG,
    address_high: FEUADDR_REG,
}

impl EventRegisters {
    /// What the unit is programmed to.
    pub(crate) fn save(regs: &Regs) -> Self {
        Self {
            control: regs.read(FECTL_REG),
            data: regs.read(FEDATA_REG),
            address_low: regs.read(FEADDR_REG),
            address_high: regs.read(FEUADDR_REG),
        }
    }

    /// Programs the unit to that again.
    pub(crate) fn restore(&self, regs: &Regs) {
        regs.write_reg(self.data);
        regs.write_reg(self.address_low);
        regs.write_reg(self.address_high);
        // Last: it may unmask the event.
        regs.write_reg(self.control);
    }
}

bitfield! {
    /// Low half of a fault recording register.
    pub(crate) struct FrcdLow(u64) {
        /// Page of the address that the request carried.
        63:12 fi;
    }
}

bitfield! {
    /// High half of a fault recording register.
    pub(crate) struct FrcdHigh(u64) {
        /// The record is pending. Cleared by writing 1.
        63:63 f => bool;
        /// With `t2`, what the request was.
        62:62 t1 => bool;
        /// PASID of the request, if `pp`.
        59:40 pv;
        /// Why the request was refused.
        39:32 fr => u8;
        /// The request carried a PASID.
        31:31 pp => bool;
        /// The request wanted to execute, if `pp`.
        30:30 exe => bool;
        28:28 t2 => bool;
        /// Requester ID.
        15:0 sid => u16;
    }
}

impl FaultRecords {
    /// Bytes of one record.
    const SIZE: usize = 16;

    /// Reads record `index`, if it is pending (11.4.7.6).
    pub(crate) fn read(&self, regs: &Regs, index: usize) -> Option<(FrcdLow, FrcdHigh)> {
        let offset = self.offset_of(index);
        // F alone first: the other fields are valid only once it is seen to be set, and not every
        // unit gives 64 bits in one piece.
        let top = regs.try_read32(offset.wrapping_add(12)).ok()?;
        if !FrcdHigh::from_raw(u64::from(top) << 32).f() {
            return None;
        }
        let high = FrcdHigh::from_raw(regs.try_read64(offset.wrapping_add(8)).ok()?);
        let low = FrcdLow::from_raw(regs.try_read64(offset).ok()?);
        Some((low, high))
    }

    /// Frees record `index` for the next fault.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such record.
    pub(crate) fn clear(&self, regs: &Regs, index: usize) -> Result {
        // The upper half of the high word alone: the only bit there that a write can change is F.
        let clear = FrcdHigh::zeroed().with_f(true).into_raw() >> 32;
        regs.try_write32(clear as u32, self.offset_of(index).wrapping_add(12))
    }

    /// Frees all records, unread.
    pub(crate) fn free_all(&self, regs: &Regs) {
        for index in 0..self.count {
            // There is such a record.
            let _ = self.clear(regs, index);
        }
    }

    /// Forgets all that is recorded, overflow included: as long as something is pending, the unit
    /// sends no event (7.3).
    pub(crate) fn forget(&self, regs: &Regs) {
        self.free_all(regs);
        regs.write_reg(FSTS_REG::zeroed().with_pfo(true));
    }

    fn offset_of(&self, index: usize) -> usize {
        index.wrapping_mul(Self::SIZE).wrapping_add(self.offset)
    }
}
