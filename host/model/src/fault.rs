// SPDX-License-Identifier: GPL-2.0

//! Refused requests: why, and how they are recorded and reported (VT-d 7).

use crate::{
    bit,
    unit::State, //
};

/// Why a request was refused (7.1.3), legacy mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Reason {
    /// The root entry is not present.
    RootAbsent = 0x1,
    /// The context entry is not present.
    ContextAbsent = 0x2,
    /// A field of the context entry has a value that the unit does not support.
    ContextInvalid = 0x3,
    /// The address is beyond what the unit or the table translates.
    AddressWidth = 0x4,
    /// No permission to write.
    Write = 0x5,
    /// No permission to read.
    Read = 0x6,
    /// A second-stage table is not in memory.
    TableAccess = 0x7,
    /// The root table is not in memory.
    RootAccess = 0x8,
    /// A context table is not in memory.
    ContextAccess = 0x9,
    /// A reserved field of the root entry is not 0.
    RootReserved = 0xa,
    /// A reserved field of the context entry is not 0.
    ContextReserved = 0xb,
    /// A reserved field of a second-stage entry is not 0.
    EntryReserved = 0xc,
    /// The context entry does not let the device send such requests: it has asked for a
    /// translation, or says that it has translated.
    Kind = 0xd,
    /// The translated address is one of the interrupt range.
    Interrupts = 0xe,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::RootAbsent,
        Self::ContextAbsent,
        Self::ContextInvalid,
        Self::AddressWidth,
        Self::Write,
        Self::Read,
        Self::TableAccess,
        Self::RootAccess,
        Self::ContextAccess,
        Self::RootReserved,
        Self::ContextReserved,
        Self::EntryReserved,
        Self::Kind,
        Self::Interrupts,
    ];
}

/// A refused request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Requester ID.
    pub sid: u16,
    /// Address that the request carried.
    pub address: u64,
    /// Whether it was a write.
    pub write: bool,
    /// Why it was refused.
    pub reason: Reason,
}

/// A fault recording register (11.4.7.6): two words.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Record {
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Software has seen that it is pending.
    pub(crate) seen: bool,
}

impl Record {
    pub(crate) fn is_pending(self) -> bool {
        bit(self.high, 63)
    }
}

/// Fault status bits (11.4.7).
pub(crate) mod status {
    /// PFO: a fault was not recorded for want of a free record.
    pub(crate) const OVERFLOW: u32 = 1 << 0;
    /// PPF: a record is pending.
    pub(crate) const PENDING: u32 = 1 << 1;
    /// IQE: the queue has stopped at a descriptor.
    pub(crate) const QUEUE_ERROR: u32 = 1 << 4;
    /// ICE: a device has answered what was not asked.
    pub(crate) const COMPLETION_ERROR: u32 = 1 << 5;
    /// ITE: a device has not answered.
    pub(crate) const TIMEOUT: u32 = 1 << 6;
    /// Errors of the invalidation queue.
    pub(crate) const OF_QUEUE: u32 = QUEUE_ERROR | COMPLETION_ERROR | TIMEOUT;
    /// What software clears by writing 1.
    pub(crate) const CLEARABLE: u32 = OVERFLOW | OF_QUEUE;
}

impl State {
    /// Records a fault (7.2.1). Records are a ring; one that is still pending stops it, and while
    /// the overflow is not cleared nothing is recorded.
    pub(crate) fn record(&mut self, fault: &Fault) {
        if self.fault_status & status::OVERFLOW != 0 {
            return;
        }
        let index = self.next_record;
        if self.records[index].is_pending() {
            self.set_status(status::OVERFLOW);
            return;
        }
        self.records[index] = Record {
            low: fault.address >> 12 << 12,
            high: 1 << 63
                | u64::from(!fault.write) << 62
                | (fault.reason as u64) << 32
                | u64::from(fault.sid),
            seen: false,
        };
        self.next_record = (index + 1) % self.records.len();
        self.set_status(status::PENDING);
    }

    /// Sets status bits. The first one is a reason for an interrupt; while there is one, others
    /// are not (11.4.7.2, IP).
    pub(crate) fn set_status(&mut self, bits: u32) {
        let was_clear = self.fault_status == 0;
        self.fault_status |= bits;
        if was_clear {
            self.event_pending = true;
            self.send_event();
        }
    }

    /// Follows the pending bits of the records, and withdraws the event if nothing is left.
    pub(crate) fn update_status(&mut self) {
        if !self.records.iter().any(|record| record.is_pending()) {
            self.fault_status &= !status::PENDING;
        }
        if self.fault_status == 0 {
            self.event_pending = false;
        }
    }

    /// Sends the event if it is due and not masked.
    pub(crate) fn send_event(&mut self) {
        if self.event_pending && !self.event_masked {
            self.event_pending = false;
            self.messages.push((self.event_address, self.event_data));
        }
    }

    /// FSTS_REG, with the index of the oldest pending record.
    pub(crate) fn fault_status(&self) -> u32 {
        let count = self.records.len();
        let oldest = (0..count)
            .map(|step| (self.next_record + step) % count)
            .find(|index| self.records[*index].is_pending());
        self.fault_status | (oldest.unwrap_or(0) as u32) << 8
    }
}
