// SPDX-License-Identifier: GPL-2.0

//! The whole driver at work: endpoints come and go, domains are attached, replaced and freed, and
//! after each step every device reaches what it may reach, and nothing else.
//!
//! What may be reached is kept in lists that know nothing of tables and caches: what each requester
//! ID leads to, and what is mapped in each domain.

use crate::{
    ats::Ats,
    machine::{
        Machine,
        Request,
        Running, //
    },
    random::Random,
    space::Space, //
};
use iommu_core::{
    endpoint::Endpoint,
    group::{
        Group,
        Target, //
    },
    route::Route, //
};
use iommu_ext::gather::Gather;
use kernel::{
    context,
    prelude::*,
    processor::cpu_relax,
    str::CString,
    sync::Arc, //
};
use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    sync::{
        self as host,
        Mutex, //
    }, //
};
use vtd_model::{
    config::Config,
    device::Conduct,
    fault::{
        Fault,
        Reason, //
    },
    queue::Refusal,
    InFlight, //
};

/// Where a requester leads. Domains are named by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Blocked,
    Identity,
    Space(u64),
}

/// Requester IDs of the endpoints, by group. Those of a group that has two share one.
const GROUPS: [&[&[u32]]; 5] = [
    &[&[0x0010]],
    &[&[0x0108]],
    &[&[0x0200, 0x0300], &[0x0201, 0x0300]],
    &[&[0x0109, 0x01f8, 0xff00]],
    &[&[0x0110], &[0x0118]],
];

/// Refusals that a queue gets over: each descriptor has a wider one.
const REFUSALS: [Refusal; 3] = [refusal(2, 3), refusal(1, 3), refusal(2, 2)];

const fn refusal(kind: u64, granularity: u64) -> Refusal {
    Refusal { kind, granularity }
}

/// Domain IDs that domains can have: 0 is the unit's own in caching mode (6.1), and 1 is that of
/// untranslated DMA.
fn domain_ids(config: &Config) -> usize {
    (1 << config.domain_bits) - 2
}

/// An endpoint that is there.
struct Member {
    group: usize,
    endpoint: Arc<Endpoint>,
    place: Place,
    /// If it has a TLB.
    ats: Option<Arc<Ats>>,
}

/// What becomes of an endpoint that joins a domain in the middle of a wait; `None` before it has.
type Joined = host::Arc<Mutex<Option<Result>>>;

/// The system under test, and what should be true of it. Dropped from the top down.
pub(crate) struct World<'a> {
    members: Vec<Member>,
    spaces: BTreeMap<u64, Space>,
    groups: Vec<Arc<Group>>,
    running: Running,
    machine: &'a Machine,
    random: Random,
    /// What each requester ID leads to.
    places: BTreeMap<u32, Place>,
    next_space: u64,
    /// Domains that an endpoint has led to: each has a domain ID until it goes.
    tagged: BTreeSet<u64>,
    config: Config,
    /// Whether the queue meets errors, and memory runs out.
    has_errors: bool,
    /// Whether some descriptors are refused.
    refuses: bool,
    /// Devices that may have been given up: they were told to lose a request, or were there while
    /// some wait was to time out.
    suspects: BTreeSet<u16>,
    /// Whether a wait is still to time out. It may cost any device its ATS that is asked.
    times_out: bool,
    /// Whether there was reason to give up a device in this step.
    has_reason: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(machine: &'a Machine, config: Config, has_errors: bool) -> Self {
        Self {
            members: Vec::new(),
            spaces: BTreeMap::new(),
            groups: GROUPS.iter().map(|_| Group::new().unwrap()).collect(),
            running: Running::new(machine, &config),
            machine,
            random: Random::new(config.seed),
            places: BTreeMap::new(),
            next_space: 0,
            tagged: BTreeSet::new(),
            config,
            has_errors,
            refuses: false,
            suspects: BTreeSet::new(),
            times_out: false,
            has_reason: false,
        }
    }

    pub(crate) fn step(&mut self) {
        if self.has_errors {
            self.change_errors();
        }
        self.has_reason = self.times_out || !self.suspects.is_empty();
        match self.random.below(100) {
            0..=2 => self.come(),
            3..=4 => self.go(),
            5..=14 => self.attach(),
            15..=17 => self.free_spaces(),
            18..=52 => self.map(),
            53..=87 => self.unmap(),
            _ => self.change_traffic(),
        }
        for _ in 0..4 {
            let request = self.request();
            self.check(request, None);
        }
        if !self.has_errors {
            assert_eq!(self.machine.hardware.errors(), 0, "errors of the queue");
        }
        if self.times_out {
            // Those that are there may have been asked.
            let asked = self.members.iter().filter(|member| member.ats.is_some());
            let sids = asked.flat_map(|member| member.endpoint.ids());
            self.suspects.extend(sids.map(|sid| *sid as u16));
            self.times_out = self.machine.hardware.times_out();
        }
    }

    /// Whether there was reason to give up a device in the last step.
    pub(crate) fn has_reason(&self) -> bool {
        self.has_reason
    }

    /// Whether an error that was injected may have cost the device its ATS.
    fn is_suspect(&self, sid: u16) -> bool {
        self.times_out || self.suspects.contains(&sid)
    }

    /// Whether the device was given up, for a reason: it is not believed what it has translated,
    /// though its ATS is on.
    fn is_given_up(&self, sid: u16) -> bool {
        let hardware = &self.machine.hardware;
        let is_refused = |fault: Fault| fault.reason == Reason::Kind;
        self.is_suspect(sid)
            && hardware.has_device_tlb(sid)
            && hardware.forged_dma(sid, 0, false).is_err_and(is_refused)
    }

    /// Now and then some descriptors are refused for a step, a device does not answer once, or
    /// devices behave in another way from now on.
    fn change_errors(&mut self) {
        let hardware = &self.machine.hardware;
        if std::mem::take(&mut self.refuses) {
            hardware.refuse(&[]);
        }
        match self.random.below(100) {
            0 => {
                let refused = 1 + self.random.index(&REFUSALS);
                hardware.refuse(&REFUSALS[..refused]);
                self.refuses = true;
            }
            1 => {
                hardware.time_out(1);
                self.times_out = true;
            }
            2..=4 => {
                // Who was to lose a request, and has not, is above suspicion from here on.
                self.suspects.retain(|sid| {
                    !hardware.has_device_tlb(*sid) || hardware.forged_dma(*sid, 0, false).is_err()
                });
                let conducts = [Conduct::Prompt, Conduct::Slow, Conduct::Confused];
                for sid in self.places.keys() {
                    hardware.set_conduct(*sid as u16, *self.random.of(&conducts));
                }
                // It is given up, and does without.
                let sids: Vec<u32> = self.places.keys().copied().collect();
                if !sids.is_empty() {
                    let sid = *self.random.of(&sids);
                    hardware.set_conduct(sid as u16, Conduct::Forgetful);
                    self.suspects.insert(sid as u16);
                }
            }
            _ => (),
        }
    }

    /// An endpoint appears, and joins its group.
    fn come(&mut self) {
        let group = self.random.index(&GROUPS);
        let ids = *self.random.of(GROUPS[group]);
        if self
            .members
            .iter()
            .any(|member| member.endpoint.ids() == ids)
        {
            return;
        }
        let mut own = KVec::new();
        for id in ids {
            own.push(*id, GFP_KERNEL).unwrap();
            self.places.entry(*id).or_insert(Place::Blocked);
        }
        let ats = match *ids {
            [id] if self.config.device_tlbs && self.random.percent(80) => {
                let depth = *self.random.of(&[0, 1, 5]);
                Some(Ats::new(
                    self.machine,
                    id as u16,
                    depth,
                    self.random.percent(10),
                ))
            }
            _ => None,
        };
        let name = CString::try_from(c"0000:00:00.0").unwrap();
        let tlb = ats.clone().map(|ats| ats.device_tlb());
        if self.has_errors && self.random.percent(20) {
            self.machine.memory.fail_after(0);
        }
        let probed = self.running.instance.probe(name, own, tlb, None);
        self.machine.memory.fail_no_more();
        let Ok(endpoint) = probed else {
            assert!(self.has_errors);
            return;
        };
        self.groups[group].join(endpoint.clone()).unwrap();
        let place = Place::Blocked;
        self.members.push(Member {
            group,
            endpoint,
            place,
            ats,
        });
    }

    /// An endpoint disappears.
    fn go(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let index = self.random.index(&self.members);
        if let Some(ats) = &self.members[index].ats {
            // It may have been pulled out already, or may be now.
            if self.random.percent(40) {
                ats.go();
            }
            if self.random.percent(20) {
                return;
            }
        }
        let gone = self.members.swap_remove(index);
        self.groups[gone.group].leave(&gone.endpoint, &Target::Blocked);
        self.running.instance.release(&gone.endpoint);
        if gone.ats.is_some() {
            // Who comes next with the ID begins anew.
            let ids = gone.endpoint.ids();
            self.suspects.retain(|sid| !ids.contains(&(*sid).into()));
        }
        for id in gone.endpoint.ids() {
            let stays = self.members.iter().any(|member| {
                member.endpoint.ids().contains(id)
                    && (member.place == gone.place || gone.place == Place::Blocked)
            });
            if !stays {
                self.places.insert(*id, Place::Blocked);
            }
        }
    }

    /// An endpoint is made to lead somewhere, be it where it leads already. If it shares an ID with
    /// others, they follow, but not always.
    fn attach(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let index = self.random.index(&self.members);
        let place = self.place();
        let group = self.members[index].group;
        let all = self.random.percent(80);
        for other in 0..self.members.len() {
            if other == index || (all && self.members[other].group == group) {
                self.attach_one(other, place);
            }
        }
    }

    fn place(&mut self) -> Place {
        match self.random.below(10) {
            0 => Place::Blocked,
            1 => Place::Identity,
            2..=3 if self.spaces.len() < self.most_spaces() => {
                let space = Space::new(&self.members[0].endpoint);
                self.next_space += 1;
                self.spaces.insert(self.next_space, space);
                Place::Space(self.next_space)
            }
            _ => {
                let known: Vec<u64> = self.spaces.keys().copied().collect();
                match known[..] {
                    [] => Place::Blocked,
                    _ => Place::Space(*self.random.of(&known)),
                }
            }
        }
    }

    fn attach_one(&mut self, index: usize, place: Place) {
        let member = &self.members[index];
        let target = match place {
            Place::Blocked => Target::Blocked,
            Place::Identity => Target::Identity,
            Place::Space(number) => Target::Domain(self.spaces[&number].domain.clone()),
        };
        let result = self.groups[member.group].attach(&member.endpoint, Route::Rid, target);
        self.attached(index, place, result);
    }

    /// An endpoint was to lead to `place` from now on. What the core says to that must be right.
    fn attached(&mut self, index: usize, place: Place, result: Result) {
        let member = &mut self.members[index];
        if place == Place::Identity && !self.config.pass_through {
            assert_eq!(result, Err(EINVAL));
            return;
        }
        if let Place::Space(number) = place {
            if !self.tagged.contains(&number) && self.tagged.len() == domain_ids(&self.config) {
                assert_eq!(result, Err(ENOSPC));
                return;
            }
            self.tagged.insert(number);
        }
        assert_eq!(result, Ok(()));
        member.place = place;
        let endpoint = member.endpoint.clone();
        if let Some(ats) = member.ats.clone() {
            let may_be_on = matches!(place, Place::Space(_));
            let is_right = ats.is_on() == (may_be_on && ats.works());
            // A device that has lost a request may have been given up, and does without.
            let sid = endpoint.ids()[0] as u16;
            let does_without = self.is_suspect(sid) && !ats.is_on();
            assert!(is_right || does_without, "ATS of {sid:x}");
        }
        for id in endpoint.ids() {
            self.places.insert(*id, place);
        }
    }

    /// A domain that nobody leads to goes. On a unit with few domain IDs all of them go, but
    /// seldom: so the IDs run out now and then.
    fn free_spaces(&mut self) {
        let has_few = self.most_spaces() > domain_ids(&self.config);
        if has_few && !self.random.percent(5) {
            return;
        }
        let members = &self.members;
        let is_used = |number: u64| {
            members
                .iter()
                .any(|member| member.place == Place::Space(number))
        };
        let unused: Vec<u64> = self
            .spaces
            .keys()
            .copied()
            .filter(|n| !is_used(*n))
            .collect();
        let count = if has_few { unused.len() } else { 1 };
        for number in unused.into_iter().take(count) {
            self.spaces.remove(&number);
            self.tagged.remove(&number);
        }
    }

    /// Domains that there may be at a time.
    fn most_spaces(&self) -> usize {
        match self.config.domain_bits {
            4 => 20,
            _ => 6,
        }
    }

    fn space(&mut self) -> Option<u64> {
        let known: Vec<u64> = self.spaces.keys().copied().collect();
        (!known.is_empty()).then(|| *self.random.of(&known))
    }

    fn map(&mut self) {
        let Some(space) = self.space().and_then(|number| self.spaces.get_mut(&number)) else {
            return;
        };
        if self.has_errors && self.random.percent(5) {
            self.machine.memory.fail_after(self.random.below(4) as u32);
            space.map(&mut self.random);
            self.machine.memory.fail_no_more();
        } else {
            space.map(&mut self.random);
        }
    }

    /// Perhaps has an endpoint that leads to no domain join this one, and read at `addresses`, in the
    /// middle of the next wait: another CPU attaches it. Returns which one, and what becomes of it.
    fn begin_join(&mut self, number: u64, addresses: Vec<u64>) -> Option<(usize, Joined)> {
        // Whoever waits for the write buffer to be flushed holds a lock that joining takes.
        let may_join = !self.members.is_empty() && !self.config.write_buffer;
        if !may_join || !self.random.percent(40) {
            return None;
        }
        let index = self.random.index(&self.members);
        let member = &self.members[index];
        if matches!(member.place, Place::Space(_)) {
            return None;
        }
        let (group, endpoint) = (self.groups[member.group].clone(), member.endpoint.clone());
        let target = Target::Domain(self.spaces[&number].domain.clone());
        let hardware = self.machine.hardware.clone();
        let joined = Joined::default();
        let result = joined.clone();
        let join = move || {
            let attached = group.attach(&endpoint, Route::Rid, target);
            *result.lock().unwrap() = Some(attached);
            for id in endpoint.ids() {
                for address in &addresses {
                    let _ = hardware.dma(*id as u16, *address, false);
                }
            }
        };
        let moments = self.random.below(8) as usize;
        self.machine.meanwhile(moments, join);
        Some((index, joined))
    }

    /// Unmaps a few ranges of a domain, and sends one invalidation for all of them.
    fn unmap(&mut self) {
        let Some(number) = self.space() else {
            return;
        };
        let mut gather = Gather::new();
        let mut gone = Vec::new();
        for _ in 0..*self.random.of(&[1, 1, 2, 3]) {
            self.begin_access(number);
            let space = self.spaces.get_mut(&number).unwrap();
            gone.extend(space.unmap(&mut self.random, &mut gather));
            // What is cached may still be used. It may lead where it led, or nowhere.
            for mapping in &gone {
                let address = mapping.iova + self.random.below(mapping.len);
                let request = self.request_at(address);
                let to = mapping.pa + (address - mapping.iova);
                self.check(request, Some((number, to)));
            }
        }
        let addresses: Vec<u64> = gone
            .iter()
            .map(|mapping| mapping.iova + self.random.below(mapping.len))
            .collect();
        let join = self.begin_join(number, addresses.clone());
        let space = &self.spaces[&number];
        if self.random.percent(80) {
            context::without_memory(|| space.domain.sync(&mut gather));
        } else {
            context::without_memory(|| space.domain.flush_all()).unwrap();
            gather.free_pages();
        }
        self.machine.interrupt_no_more();
        if let Some((index, joined)) = join {
            let result = joined.lock().unwrap().take();
            if let Some(result) = result {
                self.attached(index, Place::Space(number), result);
            }
        }
        let in_flight = self.machine.hardware.in_flight();
        for mapping in gone {
            let lands = |to: u64| to.wrapping_sub(mapping.pa) < mapping.len;
            // Of a device that was given up nobody knows what it has sent before.
            let may_last = |access: &InFlight| access.by().is_some_and(|sid| self.is_given_up(sid));
            let late = in_flight
                .iter()
                .find(|access| lands(access.to) && !may_last(access));
            assert_eq!(late, None, "an access goes on after its mapping is gone");
            for sid in self.leading_to(number) {
                let request = Request {
                    sid,
                    address: mapping.iova + self.random.below(mapping.len),
                    write: self.random.percent(50),
                };
                self.check(request, None);
            }
        }
        for sid in self.leading_to(number) {
            for address in addresses.iter().copied() {
                let write = false;
                self.check(
                    Request {
                        sid,
                        address,
                        write,
                    },
                    None,
                );
            }
        }
    }

    /// The requester IDs that lead to a domain.
    fn leading_to(&self, number: u64) -> Vec<u16> {
        let places = self.places.iter();
        places
            .filter(|(_, place)| **place == Place::Space(number))
            .map(|(sid, _)| *sid as u16)
            .collect()
    }

    /// Has a device begin an access to the domain that takes its time.
    fn begin_access(&mut self, number: u64) {
        let request = self.request();
        let leads = self.places.get(&request.sid.into()) == Some(&Place::Space(number));
        if leads && self.random.percent(30) {
            let Request {
                sid,
                address,
                write,
            } = request;
            let _ = self.machine.hardware.begin_dma(sid, address, write);
        }
    }

    /// Some request.
    fn request(&mut self) -> Request {
        let number = self.space();
        let address = match number.and_then(|number| self.spaces.get(&number)) {
            Some(space) => space.address(&mut self.random),
            None => self.random.below(1 << 40),
        };
        self.request_at(address)
    }

    /// Some request for `address`.
    fn request_at(&mut self, address: u64) -> Request {
        let known: Vec<u32> = self.places.keys().copied().collect();
        let sid = match known[..] {
            [] => 0x0666,
            // Some neighbour.
            _ if self.random.percent(2) => *self.random.of(&known) ^ 1 << self.random.below(16),
            _ => *self.random.of(&known),
        };
        Request {
            sid: sid as u16,
            address,
            write: self.random.percent(50),
        }
    }

    fn change_traffic(&mut self) {
        let count = self.random.below(12);
        let requests = (0..count).map(|_| self.request()).collect();
        self.machine.traffic(requests);
    }

    /// Has the device send the request. It must lead where it should; where the requester leads to
    /// the domain `stale` names, it may also lead to the address there.
    fn check(&mut self, request: Request, stale: Option<(u64, u64)>) {
        let Request {
            sid,
            address,
            write,
        } = request;
        // The interrupt range is no memory (3.14).
        if (0xfee0_0000..=0xfeef_ffff).contains(&address) {
            return;
        }
        let place = self
            .places
            .get(&sid.into())
            .copied()
            .unwrap_or(Place::Blocked);
        let expected = match place {
            Place::Blocked => None,
            Place::Identity => (address >> self.config.host_bits == 0).then_some(address),
            Place::Space(number) => self.spaces[&number].lookup(address, write),
        };
        if self.random.percent(10) && !self.may_translate(sid) {
            let forged = self.machine.hardware.forged_dma(sid, address, write);
            assert!(forged.is_err(), "{sid:x}: {place:?}: is believed");
        }
        let mut result = self.machine.hardware.dma(sid, address, write);
        let is_refused = |fault: &Fault| fault.reason == Reason::Kind;
        if result.as_ref().is_err_and(is_refused) {
            // A device that was given up gets nowhere with what it has kept, but for the rest it
            // works.
            assert!(self.is_given_up(sid), "{request:x?}: {place:?}: refused");
            result = self.machine.hardware.untranslated_dma(sid, address, write);
        }
        let is_stale =
            stale.is_some_and(|(number, to)| place == Place::Space(number) && result == Ok(to));
        if !is_stale {
            assert_eq!(
                result.ok(),
                expected,
                "{request:x?}: {place:?}, {result:x?}"
            );
        }
        if let Err(fault) = result {
            let reasons: &[Reason] = match place {
                Place::Blocked => &[Reason::RootAbsent, Reason::ContextAbsent],
                Place::Identity => &[Reason::AddressWidth],
                Place::Space(_) => &[Reason::Read, Reason::Write, Reason::AddressWidth],
            };
            assert!(reasons.contains(&fault.reason), "{place:?}: {fault:x?}");
        }
        // Take the interrupt, if there is one.
        cpu_relax();
    }

    /// Whether a device that works has this requester ID and a TLB.
    fn may_translate(&self, sid: u16) -> bool {
        self.members.iter().any(|member| {
            let is_meant = member.endpoint.ids().contains(&sid.into());
            is_meant && member.ats.as_ref().is_some_and(|ats| !ats.refuses())
        })
    }

    /// Everybody leaves, and all domains are freed.
    pub(crate) fn end(mut self) {
        self.machine.hardware.refuse(&[]);
        while !self.members.is_empty() {
            self.go();
        }
        self.spaces.clear();
        assert_eq!(self.running.instance.domains(), 0);
        let request = self.request_at(0x1000);
        self.check(request, None);
    }
}
