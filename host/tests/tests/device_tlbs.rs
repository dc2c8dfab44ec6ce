// SPDX-License-Identifier: GPL-2.0

//! Devices that keep translations: what is sent to them, and when (`iommu_core::ats`).
//!
//! A plain unit with one device behind it, which asks for translations all the time and uses what it
//! has got, while its domain changes and other CPUs invalidate.

use iommu_core::{
    ats::{
        Control,
        DeviceTlb,
        DeviceTlbs, //
    },
    domain::Domain,
    driver::{
        Driver,
        Limits,
        Scope, //
    },
    endpoint::Endpoint,
    group::{
        Group,
        Target, //
    },
    instance::{
        Instance,
        Tag, //
    },
    route::{
        Entry,
        Route, //
    },
    table::{
        self,
        PageTable, //
    }, //
};
use iommu_ext::{
    fwnode::Key,
    memory::Memory, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        rcu,
        Arc, //
    }, //
};
use pgtable::{
    fmt::vtd_second,
    table::Config, //
};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{
            AtomicBool,
            Ordering::SeqCst, //
        },
        Arc as Shared,
        Mutex, //
    },
    thread,
    time::Duration, //
};
use tests::watched::config;

const ID: u32 = 0x0100;

/// What the unit and the device are at one moment.
#[derive(Default)]
struct State {
    /// Where the route leads, and whether the device may ask.
    entry: Option<(u32, bool)>,
    /// Unmaps so far, by tag: a translation is as old as the last one.
    age: BTreeMap<u32, u64>,
    ats: bool,
    /// Some entry has let the device ask.
    may_have_asked: bool,
    /// The device holds a translation of this domain, of this age.
    cached: Option<(u32, u64)>,
    /// Times that ATS was on.
    times: usize,
}

impl State {
    fn may_ask(&self) -> bool {
        self.entry.is_some_and(|(_, device_tlb)| device_tlb)
    }
}

#[derive(Default)]
struct Hardware {
    state: Mutex<State>,
    is_silent: AtomicBool,
    refuses_ats: AtomicBool,
    /// Invalidations fail.
    hangs: AtomicBool,
    /// To be done just before the device may ask.
    before: Mutex<Option<Action>>,
    /// To be done while a request is on its way to the device.
    meanwhile: Mutex<Option<Action>>,
}

type Action = Box<dyn FnOnce() + Send>;

impl Hardware {
    /// The device asks for a translation.
    fn ask(&self) {
        let mut state = self.state.lock().unwrap();
        let Some((tag, may_ask)) = state.entry else {
            return;
        };
        // It keeps what it has.
        let has = state.cached.is_some_and(|(of, _)| of == tag);
        if state.ats && may_ask && !has {
            let age = state.age.get(&tag).copied().unwrap_or(0);
            state.cached = Some((tag, age));
        }
    }

    /// Whether the device can use a translation of `tag` that is older than `age`.
    fn can_use_older(&self, tag: u32, age: u64) -> bool {
        let state = self.state.lock().unwrap();
        let is_older = |(of, since): (u32, u64)| of == tag && since < age;
        state.may_ask() && state.cached.is_some_and(is_older)
    }
}

/// ATS of the device.
struct Ats(Shared<Hardware>);

impl Control for Ats {
    fn enable(&self) -> Result {
        if self.0.refuses_ats.load(SeqCst) {
            return Err(EINVAL);
        }
        let mut state = self.0.state.lock().unwrap();
        assert!(!state.ats, "ATS is turned on twice");
        state.ats = true;
        state.times += 1;
        Ok(())
    }

    fn disable(&self) {
        let mut state = self.0.state.lock().unwrap();
        assert!(state.ats, "ATS is turned off twice");
        assert!(
            !state.may_ask(),
            "ATS is turned off while the device may ask"
        );
        state.ats = false;
        state.cached = None;
    }

    fn is_gone(&self) -> bool {
        false
    }
}

/// The unit.
struct Plain(Shared<Hardware>);

impl Driver for Plain {
    fn probe(&self, _: &Endpoint) -> Result {
        Ok(())
    }

    fn alloc_table(&self, _: &Endpoint) -> Result<Arc<dyn PageTable>> {
        Err(EINVAL)
    }

    fn prepare(&self, _: &Endpoint, _: Route, _: &table::Descriptor) -> Result {
        Ok(())
    }

    fn set_route(&self, _: &[u32], _: Route, entry: Entry<'_>) {
        let before = self.0.before.lock().unwrap().take();
        before.into_iter().for_each(|before| before());
        let mut state = self.0.state.lock().unwrap();
        state.entry = match entry {
            Entry::Table {
                tag, device_tlb, ..
            } => Some((tag.0, device_tlb)),
            _ => None,
        };
        state.may_have_asked |= state.may_ask();
        let is_early = state.may_ask() && !state.ats;
        assert!(!is_early, "the device may ask before its ATS is on");
    }

    fn invalidate(&self, tag: Tag, _: &Scope, device_tlbs: DeviceTlbs<'_>) -> Result {
        if self.0.hangs.load(SeqCst) {
            return Err(EIO);
        }
        let again = device_tlbs.clone();
        for target in device_tlbs {
            assert_eq!(target.id, ID);
            if self.0.is_silent.load(SeqCst) {
                target.give_up(|| {
                    // Nobody passes over the device before it is cut off.
                    let is_on_list = again.clone().count() > 0;
                    let may_ask = self.0.state.lock().unwrap().may_ask();
                    assert!(is_on_list || !may_ask, "it is passed over already");
                    let mut state = self.0.state.lock().unwrap();
                    state.entry = state.entry.map(|(tag, _)| (tag, false));
                    Ok(())
                })?;
                continue;
            }
            // It is on its way for a while.
            let meanwhile = self.0.meanwhile.lock().unwrap().take();
            meanwhile.into_iter().for_each(|meanwhile| meanwhile());
            for _ in 0..3 {
                let answers = self.0.state.lock().unwrap().ats || self.0.is_silent.load(SeqCst);
                assert!(answers, "a request to a device whose ATS is off");
                thread::sleep(Duration::from_micros(10));
            }
            let mut state = self.0.state.lock().unwrap();
            if state.cached.is_some_and(|(of, _)| of == tag.0) {
                state.cached = None;
            }
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn cut_off(&self) -> bool {
        false
    }
}

struct World {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    domains: Vec<Arc<Domain>>,
    hardware: Shared<Hardware>,
    _memory: Memory,
}

impl World {
    fn new() -> Self {
        let memory = Memory::new();
        let hardware = Shared::new(Hardware::default());
        let limits = Limits {
            first_tag: 2,
            last_tag: 100,
            identity: Some(Tag(1)),
            cache_coherent: true,
            snoop_control: false,
            device_tlbs: true,
            flush_on_map: false,
            msi_window: None,
        };
        let driver = Arc::new(Plain(hardware.clone()), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"unit").unwrap();
        let instance = Instance::new(name, Key(1), limits, driver, None).unwrap();
        instance.begin_translating();
        let mut ids = KVec::new();
        ids.push(ID, GFP_KERNEL).unwrap();
        let control = Arc::new(Ats(hardware.clone()), GFP_KERNEL).unwrap();
        let tlb = DeviceTlb::new(control, 0, ID);
        let name = CString::try_from(c"0000:01:00.0").unwrap();
        let endpoint = instance.probe(name, ids, Some(tlb), None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let numa = memory.node();
        let domain = || {
            let config = Config {
                numa,
                ..config(4, true)
            };
            Domain::new(vtd_second::new(&config).unwrap()).unwrap()
        };
        Self {
            group,
            endpoint,
            domains: vec![domain(), domain()],
            hardware,
            _memory: memory,
        }
    }

    fn attach(&self, target: Target) {
        let attached = self.group.attach(&self.endpoint, Route::Rid, target);
        attached.unwrap();
    }

    fn domain(&self, number: usize) -> Target {
        Target::Domain(self.domains[number].clone())
    }

    fn ats(&self) -> bool {
        self.hardware.state.lock().unwrap().ats
    }

    /// Whether some entry has let the device ask so far.
    fn may_have_asked(&self) -> bool {
        self.hardware.state.lock().unwrap().may_have_asked
    }

    /// Whether the device may ask.
    fn may_ask(&self) -> bool {
        self.hardware.state.lock().unwrap().may_ask()
    }

    fn end(self) {
        self.group.leave(&self.endpoint, &Target::Blocked);
        assert!(!self.ats());
        self.endpoint.instance().release(&self.endpoint);
        drop(self.domains);
        rcu::barrier();
    }
}

/// Unmaps in the domain that the device is in, as long as it is in one, and checks that nothing is
/// left.
fn unmap(world: &World) {
    let entry = world.hardware.state.lock().unwrap().entry;
    let Some((tag, _)) = entry else {
        thread::yield_now();
        return;
    };
    let age = {
        let mut state = world.hardware.state.lock().unwrap();
        let age = state.age.entry(tag).or_default();
        *age += 1;
        *age
    };
    for domain in &world.domains {
        domain.flush_all().unwrap();
    }
    assert!(
        !world.hardware.can_use_older(tag, age),
        "the device can use what was unmapped"
    );
}

/// Ends the threads.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Moves the device around while others unmap.
fn run(world: &World, rounds: usize, each: impl Fn(usize)) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also if a step fails.
        let _end = End(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    unmap(world);
                }
            });
        }
        scope.spawn(|| {
            while !is_over.load(SeqCst) {
                world.hardware.ask();
                thread::yield_now();
            }
        });
        for round in 0..rounds {
            each(round);
            let target = match round % 7 {
                0 | 4 => world.domain(0),
                1 | 3 => world.domain(1),
                // Where it is already.
                5 => world.domain(0),
                2 => Target::Identity,
                _ => Target::Blocked,
            };
            world.attach(target);
            thread::sleep(Duration::from_micros(10));
        }
    });
}

#[test]
fn a_device_is_asked_only_while_it_answers() {
    let world = World::new();
    run(&world, 1400, |_| ());
    // On for each of the two times that it entered a domain from elsewhere.
    let times = world.hardware.state.lock().unwrap().times;
    assert_eq!(
        times,
        (0..1400).filter(|round| matches!(round % 7, 0 | 3)).count()
    );
    world.end();
}

#[test]
fn a_device_that_will_not_turn_it_on_goes_on_without() {
    let world = World::new();
    world.hardware.refuses_ats.store(true, SeqCst);
    run(&world, 100, |_| assert!(!world.may_ask()));
    assert!(!world.ats());
    world.end();
}

/// The IOTLB may hold what the device must not be answered with: no entry lets it ask, not even for a
/// moment.
#[test]
fn a_device_whose_unit_does_not_answer_may_not_ask() {
    let world = World::new();
    world.hardware.hangs.store(true, SeqCst);
    let attached = world
        .group
        .attach(&world.endpoint, Route::Rid, world.domain(0));
    // The unit is lost with that.
    assert_eq!(attached, Err(EIO));
    assert!(!world.may_have_asked() && !world.ats());
    // The domain is kept for good.
    std::mem::forget(world);
}

/// Whoever could not ask at first, and is attached where it is already, is reached when it can.
#[test]
fn a_device_that_asks_only_the_second_time_is_reached() {
    let world = World::new();
    world.hardware.refuses_ats.store(true, SeqCst);
    world.attach(world.domain(0));
    world.hardware.refuses_ats.store(false, SeqCst);
    for _ in 0..3 {
        world.attach(world.domain(0));
        assert!(world.may_ask() && world.ats());
        let is_asked = Shared::new(AtomicBool::new(false));
        let signal = is_asked.clone();
        let meanwhile = move || signal.store(true, SeqCst);
        *world.hardware.meanwhile.lock().unwrap() = Some(Box::new(meanwhile));
        world.domains[0].flush_all().unwrap();
        assert!(is_asked.load(SeqCst), "it is not reached");
    }
    world.end();
}

/// ATS is not turned off while someone who has found the device on the list is sending.
#[test]
fn a_request_on_its_way_is_waited_for() {
    let world = World::new();
    world.attach(world.domain(0));
    let is_on_its_way = Shared::new(AtomicBool::new(false));
    let signal = is_on_its_way.clone();
    let meanwhile = move || {
        signal.store(true, SeqCst);
        // Longer than it takes to leave.
        thread::sleep(Duration::from_millis(50));
    };
    *world.hardware.meanwhile.lock().unwrap() = Some(Box::new(meanwhile));
    thread::scope(|scope| {
        scope.spawn(|| world.domains[0].flush_all().unwrap());
        while !is_on_its_way.load(SeqCst) {
            thread::yield_now();
        }
        world.attach(Target::Blocked);
    });
    assert!(!world.ats());
    world.end();
}

/// It is given up while an entry is on its way that would let it ask.
#[test]
fn a_device_is_given_up_while_it_enters() {
    let world = World::new();
    world.attach(world.domain(0));
    let (hardware, domain) = (world.hardware.clone(), world.domains[1].clone());
    let give_up = move || {
        hardware.is_silent.store(true, SeqCst);
        domain.flush_all().unwrap();
    };
    *world.hardware.before.lock().unwrap() = Some(Box::new(give_up));
    world.attach(world.domain(1));
    assert!(!world.may_ask());
    world.end();
}

#[test]
fn a_device_that_does_not_answer_is_given_up() {
    for round in 1..30 {
        let world = World::new();
        run(&world, 60, |step| {
            if step == round {
                world.hardware.is_silent.store(true, SeqCst);
            }
        });
        // Whoever sends it something next notices, and then nobody does any more.
        world.attach(world.domain(0));
        world.domains[0].flush_all().unwrap();
        assert!(!world.may_ask());
        world.attach(world.domain(1));
        assert!(!world.may_ask());
        assert!(!world.ats());
        world.hardware.is_silent.store(false, SeqCst);
        world.domains[1].flush_all().unwrap();
        world.end();
    }
}
