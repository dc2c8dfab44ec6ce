// SPDX-License-Identifier: GPL-2.0

//! The order in which software programs a unit, where the end state does not tell it.
//!
//! A unit comes out of reset with registers that hold anything: software that relies on what
//! happens to be there is found out ([`State::scramble`]). What the specification wants done before
//! something else is a violation if it is not; what a test wants to know besides is in a record of
//! steps, if it has asked for one ([`Unit::record_steps`](crate::Unit::record_steps)).

use crate::{
    bit,
    bits,
    fault::{
        status,
        Record, //
    },
    registers::{
        EVENT_ADDRESS,
        EVENT_CONTROL,
        EVENT_DATA,
        EVENT_UPPER_ADDRESS,
        PROTECTED_MEMORY,
        QUEUE_ADDRESS,
        QUEUE_TAIL,
        ROOT_TABLE, //
    },
    unit::State, //
};
use std::collections::BTreeSet;

/// Something that software has done, or the unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Software has written a register.
    Wrote {
        /// Where the register is (11.4).
        offset: usize,
        /// What was written.
        value: u64,
    },
    /// A command is done: GSTS_REG is this now.
    Done {
        /// GSTS_REG.
        status: u32,
    },
}

/// What software has written since the last reset, and the record of steps.
#[derive(Default, Debug)]
pub(crate) struct Order {
    /// Offsets of registers.
    written: BTreeSet<usize>,
    steps: Option<Vec<Step>>,
}

impl Order {
    /// Begins a record, or ends it. Returns the one before.
    pub(crate) fn record(&mut self, begin: bool) -> Vec<Step> {
        let begun = begin.then(Vec::new);
        std::mem::replace(&mut self.steps, begun).unwrap_or_default()
    }

    pub(crate) fn note(&mut self, step: Step) {
        if let Some(steps) = &mut self.steps {
            steps.push(step);
        }
    }

    /// Whether software has written all of these since reset.
    pub(crate) fn has_written(&self, offsets: &[usize]) -> bool {
        offsets.iter().all(|offset| self.written.contains(offset))
    }
}

/// The message of the fault event (11.4.7.3 to 11.4.7.5).
const MESSAGE: [usize; 3] = [EVENT_DATA, EVENT_ADDRESS, EVENT_UPPER_ADDRESS];

impl State {
    /// A reset: what software has to program holds anything, and records of faults, which outlive
    /// it, tell of faults that nobody of now has to do with (11.4.7.1, 11.4.7.6).
    pub(crate) fn scramble(&mut self) {
        self.order.written.clear();
        let random = &mut self.random;
        let mut garbage = || (0..2).fold(0, |word, _| word << 32 | random.below(1 << 32) as u64);
        self.root_pointer = garbage();
        self.event_data = garbage() as u32;
        self.event_address = garbage() & !3;
        self.queue.address = garbage();
        self.queue.tail = 1 + garbage() as usize % 255;
        self.queue.error = bits(garbage(), 3, 0);
        for record in &mut self.records {
            *record = Record {
                low: garbage(),
                high: garbage(),
                seen: false,
            };
        }
        self.next_record = garbage() as usize % self.records.len();
        if self.records.iter().any(|record| record.is_pending()) {
            self.fault_status |= status::PENDING;
        }
    }

    /// Software writes a register: not what must not be written yet, or any more.
    pub(crate) fn check_order(&mut self, offset: usize, value: u64) {
        let violation = match offset {
            EVENT_CONTROL if !bit(value, 31) && !self.order.has_written(&MESSAGE) => {
                Some("the fault event is unmasked before its message is programmed (7.3)")
            }
            _ if MESSAGE.contains(&offset)
                && !self.event_masked
                && self.read_register(offset, 4) != value =>
            {
                Some("the message of the fault event changes while it may be sent (7.3)")
            }
            PROTECTED_MEMORY
                if !bit(value, 31) && self.protected_enable && !self.is_translating() =>
            {
                Some("protected memory is given up before DMA is translated (11.4.8)")
            }
            _ => None,
        };
        if let Some(what) = violation {
            self.history.violation(what);
        }
        self.order.written.insert(offset);
        self.order.note(Step::Wrote { offset, value });
    }

    /// The root table is to be taken over: from the register, which has to be written before.
    pub(crate) fn check_root_table(&self) {
        if !self.order.has_written(&[ROOT_TABLE]) {
            self.history
                .violation("the root table is taken over before RTADDR_REG is written (11.4.5)");
        }
    }

    /// The queue is to be turned on: by registers that have to be written before.
    pub(crate) fn check_queue_registers(&self) {
        if !self.order.has_written(&[QUEUE_TAIL, QUEUE_ADDRESS]) {
            self.history
                .violation("the queue is turned on before its registers are written (6.5.2)");
        }
    }
}
