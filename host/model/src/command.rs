// SPDX-License-Identifier: GPL-2.0

//! Global commands (VT-d 11.4.4): one at a time, done when the status says so.

use crate::{
    history::Event,
    order::Step,
    queue::{
        Contexts,
        Translations, //
    },
    unit::State, //
};

/// TE: translation.
pub(crate) const TRANSLATION: u32 = 1 << 31;
/// SRTP: take over the root table pointer.
const ROOT_TABLE: u32 = 1 << 30;
/// SFL, EAFL: fault log in memory, which no unit has any more.
const FAULT_LOG: u32 = 1 << 29 | 1 << 28;
/// WBF: flush the write buffer.
const WRITE_BUFFER: u32 = 1 << 27;
/// QIE: queued invalidation.
pub(crate) const QUEUE: u32 = 1 << 26;
/// IRE, SIRTP, CFI: interrupt remapping, which this unit has not.
const INTERRUPTS: u32 = 1 << 25 | 1 << 24 | 1 << 23;

/// Commands that are given by setting the bit, whatever it was.
const ONE_SHOT: u32 = ROOT_TABLE | WRITE_BUFFER;
/// Commands that switch something.
const SWITCHES: u32 = TRANSLATION | QUEUE;

/// A command that is not done yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    command: u32,
    on: bool,
    steps: usize,
}

impl State {
    /// A write to GCMD_REG.
    pub(crate) fn command(&mut self, value: u32) {
        if value & (FAULT_LOG | INTERRUPTS) != 0 {
            self.history
                .violation("a command that the unit does not have");
        }
        let commands = (value ^ self.global_status) & SWITCHES | value & ONE_SHOT;
        if self.pending.is_some() {
            self.history
                .violation("a command while another one is not done");
        }
        if commands.count_ones() > 1 {
            self.history.violation("more than one command at a time");
        }
        if self.ignores_all {
            return;
        }
        if commands != 0 {
            match self.ignores {
                Some(0) => {
                    self.ignores = None;
                    return;
                }
                Some(after) => self.ignores = Some(after - 1),
                None => (),
            }
        }
        if commands == ROOT_TABLE {
            self.check_root_table();
        }
        if commands == QUEUE && value & QUEUE != 0 {
            self.check_queue_registers();
        }
        if commands == QUEUE {
            self.check_queue_switch(value & QUEUE != 0);
        }
        let is_in_use = !self.devices.is_empty() && !self.are_devices_asleep;
        if commands == TRANSLATION && value & TRANSLATION == 0 && is_in_use {
            self.history
                .violation("translation is turned off while the TLB of a device is on");
        }
        if commands == TRANSLATION && value & TRANSLATION != 0 {
            if self.root_table.is_none() {
                self.history.violation("translation without a root table");
            }
            // A queue that hangs cannot be asked to.
            if (self.stale_contexts || self.stale_translations) && self.hangs == 0 {
                self.history.violation(
                    "translation without invalidations after the root table (6.6): contexts, \
                     then translations",
                );
            }
        }
        if commands == WRITE_BUFFER {
            if !self.config.write_buffer {
                self.history.violation("there is no write buffer");
            }
            // WBFS says that the command is under way.
            self.global_status |= WRITE_BUFFER;
        }
        // RTPS says that the last such command is done.
        self.global_status &= !(commands & ROOT_TABLE);
        if commands != 0 {
            self.pending = Some(Pending {
                command: commands,
                on: value & commands != 0,
                steps: self.random.below(4),
            });
        }
    }

    fn check_queue_switch(&self, on: bool) {
        if on && (self.queue.tail != 0 || self.queue.address == 0) {
            self.history
                .violation("the queue is turned on with a tail, or without a ring");
        }
        // Something that does not come to an end may be thrown away.
        let is_stuck = self.hangs > 0 || self.is_wedged || !self.all_have_answered();
        if !on && !self.queue.is_idle() && !is_stuck {
            self.history
                .violation("the queue is turned off while there is something in it");
        }
    }

    /// Goes on with the command under way, and with the protected memory regions.
    pub(crate) fn step_command(&mut self) {
        if let Some(enabled) = self.protected_pending.take() {
            self.protected_status = enabled;
        }
        let Some(pending) = &mut self.pending else {
            return;
        };
        if pending.steps > 0 {
            pending.steps -= 1;
            return;
        }
        let Pending { command, on, .. } = *pending;
        self.pending = None;
        match command {
            ROOT_TABLE => {
                self.root_table = Some(self.root_pointer);
                self.stale_contexts = true;
                self.stale_translations = true;
                if self.config.root_table_flushes {
                    self.caches.invalidate_contexts(Contexts::All);
                    self.caches.invalidate_translations(Translations::All);
                    self.stale_contexts = false;
                    self.stale_translations = false;
                    self.drain(Translations::All, true, true);
                }
                self.global_status |= ROOT_TABLE;
            }
            WRITE_BUFFER => {
                self.flush_write_buffer();
                self.global_status &= !WRITE_BUFFER;
            }
            QUEUE if !on && self.keeps_queue => return,
            TRANSLATION if !on && self.config.keeps_translating => return,
            _ if on => self.global_status |= command,
            _ => self.global_status &= !command,
        }
        if command == QUEUE {
            self.is_wedged = false;
            self.queue.restart();
            self.forget_asked();
        }
        let status = self.global_status;
        self.history.note(Event::CommandDone { status });
        self.order.note(Step::Done { status });
    }
}
