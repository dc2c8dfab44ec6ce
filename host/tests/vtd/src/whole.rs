// SPDX-License-Identifier: GPL-2.0

//! The whole driver: endpoints come and go, domains are attached, replaced and freed, and after
//! each step every device reaches what it may reach, and nothing else.
//!
//! What may be reached is kept in lists that know nothing of tables and caches: what each requester
//! ID leads to, and what is mapped in each domain.

use crate::{
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
    prelude::*,
    print,
    processor::cpu_relax,
    str::CString,
    sync::Arc, //
};
use std::collections::BTreeMap;
use vtd_model::{
    config::Config,
    fault::Reason, //
};

/// Where a requester leads. Domains are named by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Blocked,
    Identity,
    Space(u64),
}

/// Requester IDs of the endpoints, by group. Those of a group that has two share one.
const GROUPS: [&[&[u32]]; 4] = [
    &[&[0x0010]],
    &[&[0x0108]],
    &[&[0x0200, 0x0300], &[0x0201, 0x0300]],
    &[&[0x0109, 0x01f8, 0xff00]],
];

/// An endpoint that is there.
struct Member {
    group: usize,
    endpoint: Arc<Endpoint>,
    place: Place,
}

/// The system under test, and what should be true of it. Dropped from the top down.
struct World<'a> {
    members: Vec<Member>,
    spaces: BTreeMap<u64, Space>,
    groups: Vec<Arc<Group>>,
    running: Running,
    machine: &'a Machine,
    random: Random,
    /// What each requester ID leads to.
    places: BTreeMap<u32, Place>,
    next_space: u64,
    config: Config,
}

impl<'a> World<'a> {
    fn new(machine: &'a Machine, config: Config) -> Self {
        Self {
            members: Vec::new(),
            spaces: BTreeMap::new(),
            groups: GROUPS.iter().map(|_| Group::new().unwrap()).collect(),
            running: Running::new(machine, &config),
            machine,
            random: Random::new(config.seed),
            places: BTreeMap::new(),
            next_space: 0,
            config,
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..=2 => self.come(),
            3..=4 => self.go(),
            5..=14 => self.attach(),
            15..=17 => self.free_space(),
            18..=52 => self.map(),
            53..=87 => self.unmap(),
            _ => self.change_traffic(),
        }
        for _ in 0..4 {
            let request = self.request();
            self.check(request, None);
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
        let name = CString::try_from(c"0000:00:00.0").unwrap();
        let endpoint = self.running.instance.probe(name, own, None).unwrap();
        self.groups[group].join(endpoint.clone()).unwrap();
        let place = Place::Blocked;
        self.members.push(Member {
            group,
            endpoint,
            place,
        });
    }

    /// An endpoint disappears.
    fn go(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let index = self.random.index(&self.members);
        let gone = self.members.swap_remove(index);
        self.groups[gone.group].leave(&gone.endpoint, &Target::Blocked);
        self.running.instance.release(&gone.endpoint);
        for id in gone.endpoint.ids() {
            let is_shared = self
                .members
                .iter()
                .any(|member| member.endpoint.ids().contains(id) && member.place == gone.place);
            if !is_shared {
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
            2..=3 if self.spaces.len() < 6 => {
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
        let member = &mut self.members[index];
        let target = match place {
            Place::Blocked => Target::Blocked,
            Place::Identity => Target::Identity,
            Place::Space(number) => Target::Domain(self.spaces[&number].domain.clone()),
        };
        let result = self.groups[member.group].attach(&member.endpoint, Route::Rid, target);
        if place == Place::Identity && !self.config.pass_through {
            assert_eq!(result, Err(EINVAL));
            return;
        }
        assert_eq!(result, Ok(()));
        member.place = place;
        for id in member.endpoint.ids() {
            self.places.insert(*id, place);
        }
    }

    /// A domain that nobody leads to goes.
    fn free_space(&mut self) {
        let members = &self.members;
        let is_used = |number: u64| {
            members
                .iter()
                .any(|member| member.place == Place::Space(number))
        };
        let unused = self.spaces.keys().copied().find(|number| !is_used(*number));
        unused.map(|number| self.spaces.remove(&number));
    }

    fn space(&mut self) -> Option<u64> {
        let known: Vec<u64> = self.spaces.keys().copied().collect();
        (!known.is_empty()).then(|| *self.random.of(&known))
    }

    fn map(&mut self) {
        let Some(space) = self.space().and_then(|number| self.spaces.get_mut(&number)) else {
            return;
        };
        space.map(&mut self.random);
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
        let space = &self.spaces[&number];
        if self.random.percent(80) {
            space.domain.sync(&mut gather);
        } else {
            space.domain.flush_all().unwrap();
            gather.free_pages();
        }
        let in_flight = self.machine.hardware.in_flight();
        for mapping in gone {
            let lands = |to: u64| to.wrapping_sub(mapping.pa) < mapping.len;
            let late = in_flight.iter().find(|access| lands(access.to));
            assert_eq!(late, None, "an access goes on after its mapping is gone");
            let address = mapping.iova + self.random.below(mapping.len);
            let request = self.request_at(address);
            self.check(request, None);
        }
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
        let result = self.machine.hardware.dma(sid, address, write);
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

    /// Everybody leaves, and all domains are freed.
    fn end(mut self) {
        while !self.members.is_empty() {
            self.go();
        }
        self.spaces.clear();
        let request = self.request_at(0x1000);
        self.check(request, None);
    }
}

/// Says where a test has failed.
struct Progress {
    config: Config,
    step: usize,
}

impl Drop for Progress {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("step {} with {:?}", self.step, self.config);
        }
    }
}

/// Steps with each configuration; `RUST_IOMMU_MODEL_STEPS` says otherwise.
fn steps() -> usize {
    let given = std::env::var("RUST_IOMMU_MODEL_STEPS").ok();
    given.and_then(|steps| steps.parse().ok()).unwrap_or(2500)
}

fn run(config: Config) {
    print::capture();
    let machine = Machine::new(config);
    let mut progress = Progress { config, step: 0 };
    let mut world = World::new(&machine, config);
    for step in 0..steps() {
        progress.step = step;
        world.step();
        // The only complaints are about what devices do.
        let is_fault = |line: &String| line.contains(" fault: ") || line.contains("FSTS_REG.PFO");
        let others: Vec<String> = print::captured()
            .into_iter()
            .filter(|line| line.starts_with("error") && !is_fault(line))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
    world.end();
}

/// Runs all that differ in what is not given.
fn run_all(base: Config) {
    let mut seed = base.seed;
    for page_selective in [None, Some(0), Some(9), Some(18)] {
        // SAGAW and MGAW: 3, 4 and 5 levels, and a choice of which not all bits are used.
        for (sagaw, address_bits) in [(0b0010, 39), (0b0100, 48), (0b1000, 57), (0b0110, 46)] {
            for large_pages in [0b00, 0b11] {
                seed += 1;
                run(Config {
                    page_selective,
                    sagaw,
                    address_bits,
                    large_pages,
                    pass_through: seed % 3 != 0,
                    drain: seed % 5 != 0,
                    protected_memory: seed % 2 == 0,
                    fault_records: 1 + (seed % 4) as usize,
                    domain_bits: 4 + 2 * (seed % 4) as u8,
                    evict_one_in: [0, 0, 7, 100][(seed % 4) as usize],
                    seed,
                    ..base
                });
            }
        }
    }
}

#[test]
fn coherent() {
    run_all(Config {
        coherent: true,
        caching_mode: false,
        seed: 100,
        ..Config::default()
    });
}

#[test]
fn not_coherent() {
    run_all(Config {
        coherent: false,
        caching_mode: false,
        seed: 200,
        ..Config::default()
    });
}

#[test]
fn coherent_in_caching_mode() {
    run_all(Config {
        coherent: true,
        caching_mode: true,
        seed: 300,
        ..Config::default()
    });
}

#[test]
fn not_coherent_in_caching_mode() {
    run_all(Config {
        coherent: false,
        caching_mode: true,
        seed: 400,
        ..Config::default()
    });
}
