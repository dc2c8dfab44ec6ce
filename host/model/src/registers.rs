// SPDX-License-Identifier: GPL-2.0

//! The registers (VT-d 11.4).

use crate::{
    bit,
    bits,
    command::{
        QUEUE,
        TRANSLATION, //
    },
    config::{
        FAULT_RECORDS,
        IOTLB, //
    },
    fault::status,
    history::Event,
    queue::{
        Contexts,
        Translations, //
    },
    unit::State, //
};

const VERSION: usize = 0x00;
const CAPABILITIES: usize = 0x08;
const EXTENDED_CAPABILITIES: usize = 0x10;
const COMMAND: usize = 0x18;
const STATUS: usize = 0x1c;
pub(crate) const ROOT_TABLE: usize = 0x20;
const CONTEXT_COMMAND: usize = 0x28;
const FAULT_STATUS: usize = 0x34;
pub(crate) const EVENT_CONTROL: usize = 0x38;
pub(crate) const EVENT_DATA: usize = 0x3c;
pub(crate) const EVENT_ADDRESS: usize = 0x40;
pub(crate) const EVENT_UPPER_ADDRESS: usize = 0x44;
pub(crate) const PROTECTED_MEMORY: usize = 0x64;
const QUEUE_HEAD: usize = 0x80;
pub(crate) const QUEUE_TAIL: usize = 0x88;
pub(crate) const QUEUE_ADDRESS: usize = 0x90;
const QUEUE_ERROR: usize = 0xb0;
/// IOTLB_REG, behind IVA_REG.
const IOTLB_COMMAND: usize = IOTLB + 8;

/// What the reserved bits of FECTL_REG happen to be (RsvdP: 11.4.7.2).
const EVENT_CONTROL_RESERVED: u64 = 0x0100_0020;

/// Bytes of a fault recording register.
const RECORD: usize = 16;

impl State {
    /// Reads `size` bytes.
    pub(crate) fn read_register(&mut self, offset: usize, size: usize) -> u64 {
        if self.is_dead {
            return u64::MAX >> (64 - 8 * size);
        }
        match (offset, size) {
            (VERSION, 4) => {
                if self.config.invalidates_by_registers {
                    0x10
                } else {
                    0x60
                }
            }
            (CONTEXT_COMMAND, 8) => self.context_command,
            (IOTLB_COMMAND, 8) => self.iotlb_command,
            (CAPABILITIES, 8) => self.config.capabilities(),
            (EXTENDED_CAPABILITIES, 8) => self.config.extended_capabilities(),
            (STATUS, 4) => self.global_status.into(),
            (ROOT_TABLE, 8) => self.root_pointer,
            (FAULT_STATUS, 4) => self.fault_status().into(),
            (EVENT_CONTROL, 4) => {
                u64::from(self.event_masked) << 31
                    | u64::from(self.event_pending) << 30
                    | EVENT_CONTROL_RESERVED
            }
            (EVENT_DATA, 4) => self.event_data.into(),
            (EVENT_ADDRESS, 4) => bits(self.event_address, 31, 0),
            (EVENT_UPPER_ADDRESS, 4) => self.event_address >> 32,
            (PROTECTED_MEMORY, 4) => {
                u64::from(self.protected_enable) << 31 | u64::from(self.protected_status)
            }
            (QUEUE_HEAD, 8) => (self.queue.head as u64) << 4,
            (QUEUE_TAIL, 8) => (self.queue.tail as u64) << 4,
            (QUEUE_ADDRESS, 8) => self.queue.address,
            (QUEUE_ERROR, 8) => {
                self.queue.error
                    | u64::from(self.timeout_of) << 32
                    | u64::from(self.completion_error_of) << 48
            }
            _ => self.read_record(offset, size),
        }
    }

    fn read_record(&mut self, offset: usize, size: usize) -> u64 {
        let Some((index, within)) = self.record_at(offset) else {
            self.history
                .violation(&format!("a read of {size} bytes at {offset:#x}"));
            return 0;
        };
        let record = &mut self.records[index];
        if (within, size) == (12, 4) {
            record.seen = record.is_pending();
        } else if !record.seen {
            self.history
                .violation("a fault record is read that was not seen to be pending");
        }
        let word = if within < 8 { record.low } else { record.high };
        if size == 8 {
            word
        } else {
            bits(word >> (within % 8 * 8), 31, 0)
        }
    }

    fn record_at(&self, offset: usize) -> Option<(usize, usize)> {
        let offset = offset.checked_sub(FAULT_RECORDS)?;
        (offset / RECORD < self.records.len()).then_some((offset / RECORD, offset % RECORD))
    }

    /// Writes `size` bytes.
    pub(crate) fn write_register(&mut self, offset: usize, size: usize, value: u64) {
        self.history.note(Event::RegisterWritten { offset, value });
        if self.is_dead {
            return;
        }
        self.check_order(offset, value);
        let word = value as u32;
        match (offset, size) {
            (COMMAND, 4) => self.command(word),
            (ROOT_TABLE, 8) => self.write_root_table(value),
            (CONTEXT_COMMAND, 8) => {
                self.check_command_register();
                self.context_command = value;
            }
            (IOTLB_COMMAND, 8) => {
                self.check_command_register();
                self.iotlb_command = value;
            }
            (FAULT_STATUS, 4) => self.write_fault_status(word),
            (EVENT_CONTROL, 4) => {
                if bits(value, 29, 0) != EVENT_CONTROL_RESERVED {
                    self.history
                        .violation("reserved bits of FECTL_REG that are not as they were");
                }
                self.event_masked = bit(value, 31);
                self.send_event();
            }
            (EVENT_DATA, 4) => self.event_data = word,
            (EVENT_ADDRESS, 4) => {
                self.event_address = self.event_address >> 32 << 32 | value & 0xffff_fffc;
            }
            (EVENT_UPPER_ADDRESS, 4) => {
                self.event_address = bits(self.event_address, 31, 0) | value << 32;
            }
            (PROTECTED_MEMORY, 4) => {
                self.protected_enable = bit(value, 31);
                self.protected_pending = Some(self.protected_enable);
            }
            (QUEUE_TAIL, 8) => self.write_tail(value),
            (QUEUE_ADDRESS, 8) => self.write_queue_address(value),
            _ => self.write_record(offset, size, value),
        }
    }

    fn write_fault_status(&mut self, word: u32) {
        let clears = word & self.fault_status & status::CLEARABLE;
        if clears & status::OF_QUEUE != 0 {
            if let Some(fault) = self.on_error.take() {
                self.record(&fault);
            }
        }
        self.fault_status &= !clears;
        self.update_status();
    }

    /// Invalidations by register are for a unit whose queue is off (6.5.1).
    fn check_command_register(&mut self) {
        if self.global_status & QUEUE != 0 {
            self.history
                .violation("an invalidation by register while the queue is on");
        }
        if !self.config.invalidates_by_registers {
            self.history.violation("there is no such register");
        }
        if bit(self.context_command | self.iotlb_command, 63) {
            self.history
                .violation("an invalidation by register while another one is not done");
        }
    }

    /// Does what was asked for by register, global invalidations only, or not yet.
    pub(crate) fn step_register_invalidations(&mut self) {
        if self.ignores_registers || !self.random.one_in(3) {
            return;
        }
        if bit(self.context_command, 63) {
            if bits(self.context_command, 62, 61) == 1 {
                self.flush_write_buffer();
                self.caches.invalidate_contexts(Contexts::All);
                self.stale_contexts = false;
            }
            self.context_command &= !(1 << 63);
        }
        if bit(self.iotlb_command, 63) {
            if bits(self.iotlb_command, 61, 60) == 1 {
                let (reads, writes) = (bit(self.iotlb_command, 49), bit(self.iotlb_command, 48));
                self.flush_write_buffer();
                self.caches.invalidate_translations(Translations::All);
                self.stale_translations &= self.stale_contexts;
                self.drain(Translations::All, reads, writes);
            }
            self.iotlb_command &= !(1 << 63);
        }
    }

    fn write_root_table(&mut self, value: u64) {
        if bits(value, 11, 10) != 0 {
            self.history
                .violation("a translation table mode that is not legacy mode");
        }
        self.root_pointer = value;
    }

    fn write_tail(&mut self, value: u64) {
        if bits(value, 3, 0) != 0 || bits(value, 63, 19) != 0 {
            self.history.violation("reserved bits of IQT_REG");
        }
        self.queue.tail = bits(value, 18, 4) as usize;
        self.queue.doorbell = true;
    }

    fn write_queue_address(&mut self, value: u64) {
        if self.global_status & QUEUE != 0 {
            self.history
                .violation("the ring is moved while the queue is on");
        }
        if bit(value, 11) {
            self.history.violation("256-bit descriptors in legacy mode");
        }
        self.queue.address = value;
    }

    /// F is the only bit of a record that can be written: 1 clears it.
    fn write_record(&mut self, offset: usize, size: usize, value: u64) {
        let Some((index, within)) = self.record_at(offset) else {
            let what = format!("a write of {size} bytes at {offset:#x}");
            return self.history.violation(&what);
        };
        let clears = match (within, size) {
            (8, 8) => bit(value, 63),
            (12, 4) => bit(value, 31),
            _ => false,
        };
        if clears {
            self.records[index].high &= !(1 << 63);
            self.update_status();
        }
    }

    /// Whether requests are translated.
    pub(crate) fn is_translating(&self) -> bool {
        self.global_status & TRANSLATION != 0
    }
}
