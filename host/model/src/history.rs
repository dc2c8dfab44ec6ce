// SPDX-License-Identifier: GPL-2.0

//! What has happened lately, to be told when something is wrong.

use std::collections::VecDeque;

/// What may be worth telling.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    RegisterWritten {
        offset: usize,
        value: u64,
    },
    CommandDone {
        status: u32,
    },
    Executed {
        descriptor: crate::queue::Descriptor,
    },
    Refused {
        words: [u64; 2],
        code: u64,
    },
    Translated {
        sid: u16,
        address: u64,
        to: u64,
    },
    Faulted {
        sid: u16,
        address: u64,
        reason: crate::fault::Reason,
    },
    /// A device keeps a translation.
    Kept {
        sid: u16,
        first: u64,
        to: u64,
    },
    /// A device has dropped translations.
    Dropped {
        sid: u16,
        first: u64,
        last: u64,
    },
    PageFreed {
        page: u64,
    },
    PowerLost,
}

/// The latest events.
#[derive(Default, Debug)]
pub struct History(VecDeque<Event>);

impl History {
    const LEN: usize = 60;

    /// Notes an event.
    pub(crate) fn note(&mut self, event: Event) {
        if self.0.len() == Self::LEN {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// Reports what software must not do.
    pub(crate) fn violation(&self, what: &str) {
        if std::thread::panicking() {
            // Has been reported; this is what follows from it.
            return;
        }
        let events: Vec<String> = self.0.iter().map(|event| format!("  {event:x?}")).collect();
        let events = events.join("\n");
        panic!("{what}\nwhat led there:\n{events}");
    }
}
