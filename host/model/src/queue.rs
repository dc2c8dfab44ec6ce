// SPDX-License-Identifier: GPL-2.0

//! The invalidation queue (VT-d 6.5.2).
//!
//! A descriptor is *fetched*, which moves the head, and some time later *executed*, in order. An
//! error stops the fetching, with the head at the descriptor, until software clears it; what was
//! fetched before is executed all the same, but a device that does not answer takes along the waits
//! that were fetched.

use crate::{
    bit,
    bits,
    bus::Found,
    command::QUEUE,
    fault::status,
    history::Event,
    unit::State, //
};
use std::collections::VecDeque;

/// Descriptors that are fetched ahead.
const AHEAD: usize = 6;

/// Why a descriptor was refused (11.4.9.9, IQEI).
mod error {
    pub(super) const TAIL: u64 = 1;
    pub(super) const FETCH: u64 = 2;
    pub(super) const TYPE: u64 = 3;
    pub(super) const RESERVED: u64 = 4;
}

/// What an invalidation is limited to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contexts {
    /// Nothing: all contexts.
    All,
    /// Those with a domain ID.
    Domain(u16),
    /// One domain ID, and requesters: function bits that are set in the mask do not matter.
    Device { did: u16, sid: u16, mask: u16 },
}

/// What an invalidation is limited to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Translations {
    /// Nothing: all translations.
    All,
    /// Those with a domain ID.
    Domain(u16),
    /// One domain ID and an aligned range. A `hint` spares cached tables.
    Pages {
        did: u16,
        first: u64,
        last: u64,
        hint: bool,
    },
}

/// A descriptor (6.5.2.1 to 6.5.2.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descriptor {
    Contexts(Contexts),
    Translations {
        what: Translations,
        drain_reads: bool,
        drain_writes: bool,
    },
    /// To a device: drop translations of a range. No more than `pending` such requests may be under
    /// way.
    DeviceTlb {
        sid: u16,
        pending: usize,
        first: u64,
        last: u64,
    },
    Wait {
        address: u64,
        data: u32,
    },
}

/// A fault to be injected: descriptors of this type and granularity are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Type field.
    pub kind: u64,
    /// Granularity field.
    pub granularity: u64,
}

/// The queue.
#[derive(Default, Debug)]
pub(crate) struct Queue {
    pub(crate) address: u64,
    pub(crate) head: usize,
    pub(crate) tail: usize,
    pub(crate) error: u64,
    /// The tail was written since the queue stopped.
    pub(crate) doorbell: bool,
    fetched: VecDeque<Descriptor>,
    /// Descriptors to refuse.
    pub(crate) refusals: Vec<Refusal>,
    /// So many of the next waits find that a device has not answered.
    pub(crate) timeouts: usize,
    /// Descriptors that were executed.
    pub(crate) executed: u64,
}

impl Queue {
    /// Slots of 16 bytes in the ring.
    fn slots(&self) -> usize {
        256 << bits(self.address, 2, 0)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.head == self.tail && self.fetched.is_empty()
    }

    /// The queue was turned on or off.
    pub(crate) fn restart(&mut self) {
        self.head = 0;
        self.fetched.clear();
    }

    /// What the registers of the queue say is lost.
    pub(crate) fn lose_power(&mut self) {
        self.restart();
        self.address = 0;
        self.tail = 0;
        self.error = 0;
        self.doorbell = false;
    }

    /// Whether `page` is one of the ring.
    pub(crate) fn uses(&self, page: u64) -> bool {
        let pages = self.slots() as u64 / 256;
        (0..pages).any(|i| page == (self.address >> 12 << 12) + i * 4096)
    }
}

impl State {
    /// Does a bit of what there is to do, or nothing.
    pub(crate) fn step_queue(&mut self) {
        if self.is_wedged {
            return;
        }
        if self.hangs > 0 {
            self.hangs -= 1;
            return;
        }
        if self.global_status & QUEUE == 0 {
            return;
        }
        match self.random.below(3) {
            0 => (),
            1 => self.fetch(),
            _ => self.execute_one(),
        }
    }

    /// Executes one of the descriptors that were fetched. Which one is the unit's choice, but
    /// (6.5.2.11):
    ///
    /// - translations go after contexts that come before them in the queue,
    /// - device TLBs after both,
    /// - waits after everything, answers of devices included. What comes after a wait does not
    ///   wait for it: the driver does not use fences.
    fn execute_one(&mut self) {
        let fetched = &self.queue.fetched;
        if fetched.is_empty() {
            return;
        }
        let chosen = if self.random.one_in(2) {
            0
        } else {
            self.random.below(fetched.len())
        };
        let may_pass = |before: &Descriptor| match fetched[chosen] {
            Descriptor::Contexts(_) => true,
            Descriptor::Translations { .. } => !matches!(before, Descriptor::Contexts(_)),
            Descriptor::DeviceTlb { .. } => {
                matches!(
                    before,
                    Descriptor::DeviceTlb { .. } | Descriptor::Wait { .. }
                )
            }
            Descriptor::Wait { .. } => false,
        };
        if !fetched.iter().take(chosen).all(may_pass) {
            return;
        }
        let is_wait = matches!(fetched[chosen], Descriptor::Wait { .. });
        if is_wait && !self.all_have_answered() {
            return;
        }
        let Some(descriptor) = self.queue.fetched.remove(chosen) else {
            return;
        };
        if !self.execute(descriptor) {
            self.queue.fetched.insert(chosen, descriptor);
        }
    }

    fn fetch(&mut self) {
        if self.fault_status & (status::QUEUE_ERROR | status::TIMEOUT) != 0 {
            return;
        }
        let queue = &self.queue;
        if !queue.doorbell || queue.head == queue.tail || queue.fetched.len() >= AHEAD {
            return;
        }
        if queue.tail >= queue.slots() {
            return self.stop([0; 2], error::TAIL);
        }
        let at = (queue.address >> 12 << 12) + 16 * queue.head as u64;
        // The queue is not subject to page-walk coherency: it is always snooped.
        let words = match self.bus.read_pair(at, true) {
            Found::Value(words) => words,
            Found::Freed => {
                self.history
                    .violation("the ring is in memory that was freed");
                return;
            }
            Found::Nothing => return self.stop([0; 2], error::FETCH),
        };
        match self.decode(words) {
            Ok(descriptor) => {
                self.queue.head = (self.queue.head + 1) % self.queue.slots();
                self.queue.fetched.push_back(descriptor);
            }
            Err(code) => self.stop(words, code),
        }
    }

    /// Stops at a descriptor that is in error (6.5.2.10).
    fn stop(&mut self, words: [u64; 2], code: u64) {
        self.history.note(Event::Refused { words, code });
        self.queue.error = code;
        self.queue.doorbell = false;
        self.errors += 1;
        self.set_status(status::QUEUE_ERROR);
    }

    fn decode(&self, [low, high]: [u64; 2]) -> Result<Descriptor, u64> {
        let kind = bits(low, 3, 0) | bits(low, 11, 9) << 4;
        let granularity = bits(low, 5, 4);
        let refusal = Refusal { kind, granularity };
        if self.queue.refusals.contains(&refusal) {
            return Err(error::RESERVED);
        }
        let zero = |ranges: &[u64]| {
            let all_zero = ranges.iter().all(|range| *range == 0);
            all_zero.then_some(()).ok_or(error::RESERVED)
        };
        let did = bits(low, 31, 16) as u16;
        match kind {
            1 => {
                zero(&[bits(low, 8, 6), bits(low, 15, 12), bits(low, 63, 50), high])?;
                let sid = bits(low, 47, 32) as u16;
                let mask = match bits(low, 49, 48) {
                    0 => 0,
                    1 => 0b100,
                    2 => 0b110,
                    _ => 0b111,
                };
                Ok(Descriptor::Contexts(match granularity {
                    1 => Contexts::All,
                    2 => Contexts::Domain(did),
                    3 => Contexts::Device { did, sid, mask },
                    _ => return Err(error::RESERVED),
                }))
            }
            2 => {
                zero(&[bit(low, 8).into(), bits(low, 15, 12), bits(low, 63, 32)])?;
                zero(&[bits(high, 11, 7)])?;
                let mask = bits(high, 5, 0) as u8;
                let what = match granularity {
                    1 => Translations::All,
                    2 => Translations::Domain(did),
                    3 if self.config.page_selective.is_some_and(|max| mask <= max) => {
                        let len = 4096u64 << mask;
                        // Address bits below the mask are ignored.
                        let first = high / len * len;
                        let last = first + (len - 1);
                        let hint = bit(high, 6);
                        Translations::Pages {
                            did,
                            first,
                            last,
                            hint,
                        }
                    }
                    _ => return Err(error::RESERVED),
                };
                Ok(Descriptor::Translations {
                    what,
                    drain_reads: bit(low, 7),
                    drain_writes: bit(low, 6),
                })
            }
            3 if self.config.device_tlbs => self.decode_device_tlb(low, high),
            5 => {
                zero(&[bit(low, 8).into(), bits(low, 31, 12), bits(high, 1, 0)])?;
                // Without a status write nobody would learn of it but by interrupt.
                if !bit(low, 5) || bit(low, 4) {
                    self.history
                        .violation("a wait that writes no status, or interrupts");
                }
                let data = bits(low, 63, 32) as u32;
                Ok(Descriptor::Wait {
                    address: high,
                    data,
                })
            }
            _ => Err(error::TYPE),
        }
    }

    /// A request to a device TLB (6.5.2.5; the range as in PCIe 10.3.1).
    fn decode_device_tlb(&self, low: u64, high: u64) -> Result<Descriptor, u64> {
        let physical = bits(low, 15, 12) | bits(low, 63, 52);
        let is_reserved = bits(low, 8, 4) != 0
            || bits(low, 31, 21) != 0
            || bits(low, 51, 48) != 0
            || bits(high, 11, 1) != 0
            || physical != 0 && !self.config.device_tlb_throttling;
        if is_reserved {
            return Err(error::RESERVED);
        }
        let page = high >> 12;
        // The lowest bit that is clear is the highest one that is not part of the address.
        let size = page.trailing_ones();
        let pages = match bit(high, 0) {
            false => 1,
            true if size == 52 => {
                self.history
                    .violation("a range of which no bit says where it ends");
                return Err(error::RESERVED);
            }
            true => 1u64 << (size + 1),
        };
        let first = page / pages * pages;
        Ok(Descriptor::DeviceTlb {
            sid: bits(low, 47, 32) as u16,
            // 0 is 32.
            pending: (bits(low, 20, 16) as usize + 31) % 32 + 1,
            first: first << 12,
            last: (first + (pages - 1)) << 12 | 0xfff,
        })
    }

    /// Executes a descriptor. Returns false if that must wait.
    fn execute(&mut self, descriptor: Descriptor) -> bool {
        if let Descriptor::DeviceTlb {
            sid,
            pending,
            first,
            last,
        } = descriptor
        {
            if !self.tell_device(sid, pending, first, last) {
                return false;
            }
        }
        self.history.note(Event::Executed { descriptor });
        self.queue.executed += 1;
        match descriptor {
            Descriptor::DeviceTlb { .. } => (),
            Descriptor::Contexts(what) => {
                // What was written before is seen by who fills the cache again (6.8).
                self.flush_write_buffer();
                self.caches.invalidate_contexts(what);
                if what == Contexts::All {
                    self.stale_contexts = false;
                }
            }
            Descriptor::Translations {
                what,
                drain_reads,
                drain_writes,
            } => {
                self.flush_write_buffer();
                self.caches.invalidate_translations(what);
                if what == Translations::All && !self.stale_contexts {
                    self.stale_translations = false;
                }
                self.drain(what, drain_reads, drain_writes);
            }
            Descriptor::Wait { .. } if self.queue.timeouts > 0 => {
                self.queue.timeouts -= 1;
                self.time_out(0);
            }
            Descriptor::Wait { address, data } => {
                if !self.bus.write(address, data) {
                    self.history
                        .violation("a wait writes to memory that is not allocated");
                }
            }
        }
        true
    }

    /// A device has not answered (6.5.2.10): the waits that were fetched are dropped, and nothing
    /// is fetched until software has cleared ITE. Other requests that were fetched may be dropped as
    /// well: software that relies on them reads more than is written.
    pub(crate) fn time_out(&mut self, sid: u16) {
        if self.random.one_in(2) {
            self.queue.fetched.clear();
        }
        let is_wait = |descriptor: &Descriptor| matches!(descriptor, Descriptor::Wait { .. });
        self.queue.fetched.retain(|descriptor| !is_wait(descriptor));
        if self.fault_status & status::TIMEOUT == 0 {
            self.timeout_of = if self.names_no_device { 0 } else { sid };
        }
        self.errors += 1;
        self.set_status(status::TIMEOUT);
    }
}
