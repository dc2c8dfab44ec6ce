// SPDX-License-Identifier: GPL-2.0

//! Devices with a TLB of their own (VT-d 4.1, PCIe 10): they ask for translations, keep them, and
//! send requests that are not translated again.
//!
//! A device drops nothing before it is told to. What it is told it does when it likes, and answers
//! only once its own accesses by what it has dropped are complete.

use crate::{
    cache::{
        Context,
        Leaf, //
    },
    fault::{
        status,
        Fault,
        Reason, //
    },
    history::Event,
    unit::{
        InFlight,
        State, //
    },
    walk::Destination, //
};
use std::collections::VecDeque;

/// Translations that a device keeps.
const CAPACITY: usize = 24;
/// Steps after which a device that has not answered will not (PCIe 10.3.5: a minute), if no test
/// says otherwise.
pub(crate) const PATIENCE: usize = 60;
/// Steps that a device may take to answer, if it is slow.
const SLOWNESS: usize = 40;

/// What a device does when it is told to drop translations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduct {
    /// It answers soon.
    Prompt,
    /// It answers late.
    Slow,
    /// It neither drops anything nor answers.
    Silent,
    /// It loses one request, and then answers soon.
    Forgetful,
    /// It first answers what it was not asked.
    Confused,
}

/// A translation that a device keeps.
#[derive(Clone, Copy, Debug)]
struct Kept {
    first: u64,
    len: u64,
    to: u64,
    read: bool,
    write: bool,
}

impl Kept {
    fn allows(&self, address: u64, write: bool) -> bool {
        address.wrapping_sub(self.first) < self.len && if write { self.write } else { self.read }
    }

    fn overlaps(&self, first: u64, last: u64) -> bool {
        self.first <= last && first <= self.first + (self.len - 1)
    }
}

/// What a device was told to drop, and for how many steps it has known.
#[derive(Clone, Copy, Debug)]
struct Request {
    first: u64,
    last: u64,
    age: usize,
    /// The queue was turned off since: the unit waits for no answer.
    is_forgotten: bool,
}

/// A device whose TLB is on.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) sid: u16,
    /// How many requests it can hold.
    depth: usize,
    conduct: Conduct,
    kept: Vec<Kept>,
    requests: VecDeque<Request>,
}

impl Device {
    /// A device with an empty TLB.
    pub(crate) fn new(sid: u16, depth: usize) -> Self {
        Self {
            sid,
            depth,
            conduct: Conduct::Prompt,
            kept: Vec::new(),
            requests: VecDeque::new(),
        }
    }

    pub(crate) fn set_conduct(&mut self, conduct: Conduct) {
        self.conduct = conduct;
    }

    /// How many requests the unit waits for.
    fn awaited(&self) -> usize {
        let requests = self.requests.iter();
        requests.filter(|request| !request.is_forgotten).count()
    }
}

impl State {
    fn device(&mut self, sid: u16) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.sid == sid)
    }

    /// A device is told to drop what it keeps of the range (6.5.2.5). `pending` is how many such
    /// requests the unit may have under way to it. Returns whether it was told.
    pub(crate) fn tell_device(&mut self, sid: u16, pending: usize, first: u64, last: u64) -> bool {
        if self.device(sid).is_some() && !self.is_translating() {
            self.history
                .violation("a device is told to drop translations while translation is off");
        }
        let Some(device) = self.device(sid) else {
            // Nobody will answer.
            self.time_out(sid);
            return true;
        };
        if pending > device.depth {
            self.history
                .violation("more invalidations under way than the device can hold");
            return true;
        }
        if device.awaited() == pending {
            return false;
        }
        device.requests.push_back(Request {
            first,
            last,
            age: 0,
            is_forgotten: false,
        });
        true
    }

    /// Whether no device owes an answer that the unit waits for.
    pub(crate) fn all_have_answered(&self) -> bool {
        self.devices.iter().all(|device| device.awaited() == 0)
    }

    /// The unit waits for no answer any more.
    pub(crate) fn forget_asked(&mut self) {
        let requests = self.devices.iter_mut();
        for request in requests.flat_map(|device| device.requests.iter_mut()) {
            request.is_forgotten = true;
        }
    }

    /// Time passes for one of the devices.
    pub(crate) fn step_devices(&mut self) {
        if self.devices.is_empty() {
            return;
        }
        for device in &mut self.devices {
            device
                .requests
                .iter_mut()
                .for_each(|request| request.age += 1);
        }
        let patience = self.patience;
        let index = self.random.below(self.devices.len());
        let device = &mut self.devices[index];
        let Some(request) = device.requests.front().copied() else {
            return;
        };
        let sid = device.sid;
        match device.conduct {
            Conduct::Silent | Conduct::Forgetful if request.age > patience => {
                device.requests.pop_front();
                if device.conduct == Conduct::Forgetful {
                    device.conduct = Conduct::Prompt;
                }
                if !request.is_forgotten {
                    self.time_out(sid);
                }
            }
            Conduct::Silent | Conduct::Forgetful => (),
            Conduct::Slow if request.age < self.random.below(SLOWNESS) => (),
            Conduct::Confused if self.random.one_in(2) => {
                // The answer names no request: it is dropped (6.5.2.10).
                self.completion_error_of = sid;
                self.errors += 1;
                self.set_status(status::COMPLETION_ERROR);
            }
            Conduct::Prompt | Conduct::Slow | Conduct::Confused => {
                let Request { first, last, .. } = request;
                device.requests.pop_front();
                device.kept.retain(|kept| !kept.overlaps(first, last));
                self.in_flight.retain(|access| {
                    access.by != Some(sid) || !(first..=last).contains(&access.address)
                });
                if request.is_forgotten {
                    // An answer to what nobody has asked.
                    self.completion_error_of = sid;
                    self.errors += 1;
                    self.set_status(status::COMPLETION_ERROR);
                }
                self.history.note(Event::Dropped { sid, first, last });
            }
        }
    }

    /// A request of a device that may use its TLB. `begins`: it stays in flight.
    pub(crate) fn device_request(
        &mut self,
        sid: u16,
        address: u64,
        write: bool,
        begins: bool,
    ) -> Result<u64, Fault> {
        let translated = (!self.are_devices_asleep)
            .then(|| self.by_own_translation(sid, address, write))
            .flatten();
        let (did, by, to) = match translated {
            Some(to) => (
                0,
                Some(sid),
                self.translated_request(sid, address, write, to)?,
            ),
            None => {
                let (did, to) = self.request(sid, address, write)?;
                (did, None, to)
            }
        };
        if begins {
            self.in_flight.push(InFlight {
                to,
                write,
                address,
                did,
                by,
            });
        }
        Ok(to)
    }

    /// Where the device itself takes an address to lead: what it keeps, or asks for now. It may do
    /// without.
    fn by_own_translation(&mut self, sid: u16, address: u64, write: bool) -> Option<u64> {
        let kept = self.device(sid)?.kept.iter();
        let found = kept.copied().find(|kept| kept.allows(address, write));
        if self.random.one_in(8) {
            return None;
        }
        let found = match found {
            Some(found) => found,
            None => self
                .translation_request(sid, address)
                .filter(|found| found.allows(address, write))?,
        };
        Some(found.to + (address - found.first))
    }

    /// A device asks for a translation, and keeps it (4.1.1). Where there is none, that is the
    /// answer, and no fault.
    fn translation_request(&mut self, sid: u16, address: u64) -> Option<Kept> {
        if !self.is_translating() {
            self.history
                .violation("a device asks for a translation while translation is off");
            return None;
        }
        let entry = self.context(sid);
        let (root, levels) = match entry.context {
            Context::Table {
                root,
                levels,
                device_tlb: true,
            } => (root, levels),
            Context::Table { .. } | Context::PassThrough => {
                self.refuse(sid, address, false, Reason::Kind, entry.silent);
                return None;
            }
            Context::Refuse(reason) => {
                self.refuse(sid, address, false, reason, entry.silent);
                return None;
            }
        };
        if self.is_beyond_table(address, levels) {
            return None;
        }
        let found = self.leaf(entry.did, root, levels, address);
        let Leaf::Memory { to, read, write } = found.leaf else {
            return None;
        };
        // The answer may be about less than the unit knows.
        let len = if self.random.one_in(2) {
            found.len
        } else {
            4096
        };
        let first = address / len * len;
        let kept = Kept {
            first,
            len,
            to: to + (first - found.first),
            read,
            write,
        };
        let at = self.random.below(CAPACITY);
        let device = self.device(sid)?;
        if device.kept.len() == CAPACITY {
            device.kept.swap_remove(at);
        }
        device.kept.push(kept);
        self.history.note(Event::Kept {
            sid,
            first,
            to: kept.to,
        });
        Some(kept)
    }

    /// A request that a device has translated: it is believed if its context entry says so, and
    /// goes where it says (9.3, TT).
    pub(crate) fn translated_request(
        &mut self,
        sid: u16,
        address: u64,
        write: bool,
        to: u64,
    ) -> Result<u64, Fault> {
        if !self.is_translating() {
            return Ok(to);
        }
        let entry = self.context(sid);
        let reason = match entry.context {
            Context::Table {
                device_tlb: true, ..
            } => {
                self.history.note(Event::Translated { sid, address, to });
                return Ok(to);
            }
            Context::Table { .. } | Context::PassThrough => Reason::Kind,
            Context::Refuse(reason) => reason,
        };
        Err(self.refuse(sid, address, write, reason, entry.silent))
    }

    /// Where an untranslated request leads.
    pub(crate) fn request(
        &mut self,
        sid: u16,
        address: u64,
        write: bool,
    ) -> Result<(u16, u64), Fault> {
        if self.random.one_in(self.config.evict_one_in) {
            self.caches.evict(&mut self.random);
        }
        if !self.is_translating() {
            return Ok((0, address));
        }
        match self.translate(sid, address, write) {
            Ok(Destination { did, to }) => {
                self.history.note(Event::Translated { sid, address, to });
                Ok((did, to))
            }
            Err((reason, silent)) => Err(self.refuse(sid, address, write, reason, silent)),
        }
    }

    fn refuse(
        &mut self,
        sid: u16,
        address: u64,
        write: bool,
        reason: Reason,
        silent: bool,
    ) -> Fault {
        let fault = Fault {
            sid,
            address,
            write,
            reason,
        };
        self.history.note(Event::Faulted {
            sid,
            address,
            reason,
        });
        if !silent {
            self.record(&fault);
        }
        fault
    }
}
