// SPDX-License-Identifier: GPL-2.0

//! Sleep: what was interrupted goes on, and what fails leaves nothing open.

use crate::{
    invalidate::descriptor::Descriptor,
    machine::{
        Machine,
        Running, //
    },
    power,
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
use iommu_ext::{
    gather::Gather,
    power::CoreOperations, //
};
use kernel::{
    prelude::*,
    print,
    processor::cpu_relax,
    str::CString,
    sync::Arc, //
};
use vtd_model::config::Config;

const SID: u16 = 0x00f8;

/// A device in a domain, and what makes its unit sleep.
struct Setup {
    power: power::Registration,
    space: Space,
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    running: Running,
    machine: Machine,
    random: Random,
}

impl Setup {
    fn new(seed: u64) -> Self {
        let config = Config {
            seed,
            protected_memory: seed % 2 == 0,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let mut ids = KVec::new();
        ids.push(SID.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:00:1f.0").unwrap();
        let endpoint = running.instance.probe(name, ids, None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let mut space = Space::new(&endpoint);
        let mut random = Random::new(seed);
        for _ in 0..20 {
            space.map(&mut random);
        }
        let target = Target::Domain(space.domain.clone());
        group.attach(&endpoint, Route::Rid, target).unwrap();
        Self {
            power: power::register(running.unit.clone()).unwrap(),
            space,
            group,
            endpoint,
            running,
            machine,
            random,
        }
    }

    /// The device reaches what is mapped, and nothing else.
    fn check(&self) {
        for mapping in &self.space.mappings {
            for address in [mapping.iova, mapping.iova + mapping.len] {
                let found = self.machine.hardware.dma(SID, address, false);
                assert_eq!(found.ok(), self.space.lookup(address, false));
            }
        }
        assert!(self.machine.hardware.dma(SID ^ 1, 0x1000, false).is_err());
        cpu_relax();
    }

    /// All of it works: what is unmapped is gone, and a fault is told.
    fn check_all(&mut self) {
        self.check();
        let mut gather = Gather::new();
        self.space.unmap(&mut self.random, &mut gather);
        self.space.domain.sync(&mut gather);
        self.check();
        print::capture();
        self.machine.hardware.dma(SID, 0x1000, true).ok();
        self.machine
            .hardware
            .dma(SID ^ 1, 0x1000, true)
            .unwrap_err();
        cpu_relax();
        let told = print::captured();
        assert!(told.iter().any(|line| line.contains("fault: ")), "{told:?}");
    }

    fn end(self) {
        self.group.leave(&self.endpoint, &Target::Blocked);
        self.running.instance.release(&self.endpoint);
    }

    /// As [`end`](Self::end), for a unit that may still use all that it was told of.
    fn end_in_use(self) {
        let Self {
            power,
            space,
            group,
            endpoint,
            running,
            machine,
            ..
        } = self;
        group.leave(&endpoint, &Target::Blocked);
        running.instance.release(&endpoint);
        drop(space);
        drop(power);
        drop(running);
        machine.forget();
    }
}

#[test]
fn after_sleep_all_is_as_before() {
    for seed in 1..20 {
        let mut setup = Setup::new(seed);
        for _ in 0..3 {
            setup.power.operations().suspend().unwrap();
            assert!(!setup.machine.hardware.is_translating());
            setup.machine.hardware.lose_power();
            setup.power.operations().resume();
            setup.check_all();
        }
        setup.end();
    }
}

/// Only an empty queue may be turned off, and who was waiting for it sees that it is done.
#[test]
fn who_waits_for_the_queue_can_be_interrupted_by_sleep() {
    for seed in 1..60 {
        let mut setup = Setup::new(seed);
        let Setup {
            machine, running, ..
        } = &setup;
        // So that it has to wait.
        machine.hardware.hang(30);
        let (unit, hardware) = (running.unit.clone(), machine.hardware.clone());
        machine.interrupt(seed as usize / 2, move || {
            // As long as it takes to find out that the unit is awake.
            hardware.hang(0);
            let asleep = unit.sleep().unwrap();
            hardware.lose_power();
            unit.wake(&asleep).unwrap();
        });
        let before = machine.hardware.executed();
        let requests = [Descriptor::ContextGlobal, Descriptor::IotlbGlobal];
        assert_eq!(running.unit.queue.submit(&requests), Ok(()));
        // Its own, and those of the start.
        assert_eq!(machine.hardware.executed() - before, 6);
        setup.check_all();
        setup.end();
    }
}

/// As above, when a device does not answer meanwhile: all is sent again after the sleep.
#[test]
fn what_a_device_did_not_answer_is_sent_again_after_sleep() {
    for seed in 1..60 {
        let mut setup = Setup::new(seed);
        let Setup {
            machine, running, ..
        } = &setup;
        machine.hardware.hang(30);
        machine.hardware.time_out(1);
        let unit = running.unit.clone();
        let hardware = machine.hardware.clone();
        machine.interrupt(seed as usize / 2, move || {
            let asleep = unit.sleep().unwrap();
            hardware.lose_power();
            unit.wake(&asleep).unwrap();
        });
        let before = machine.hardware.executed();
        let requests = [Descriptor::ContextGlobal, Descriptor::IotlbGlobal];
        assert_eq!(running.unit.queue.submit(&requests), Ok(()));
        assert_eq!(machine.hardware.executed() - before, 3 + 3 + 3);
        setup.check_all();
        setup.end();
    }
}

/// Whose suspend fails, the kernel does not call to resume.
#[test]
fn a_unit_that_cannot_stop_goes_on() {
    // What it ignores: that translation is turned off, or that the queue is.
    for ignored in [0, 1] {
        for seed in 1..10 {
            let mut setup = Setup::new(seed);
            setup.machine.hardware.ignore_command(ignored);
            assert_eq!(setup.power.operations().suspend(), Err(ETIMEDOUT));
            assert!(setup.machine.hardware.is_translating());
            setup.check_all();
            // It has forgotten that it was to sleep.
            setup.power.operations().resume();
            setup.check_all();
            // Another time it can.
            setup.power.operations().suspend().unwrap();
            setup.machine.hardware.lose_power();
            setup.power.operations().resume();
            setup.check_all();
            setup.end();
        }
    }
}

#[test]
fn a_unit_whose_queue_was_given_up_does_not_sleep() {
    let setup = Setup::new(1);
    setup.running.unit.queue.give_up("a test");
    assert_eq!(setup.power.operations().suspend(), Err(EIO));
    assert!(setup.machine.hardware.is_translating());
    setup.check();
    setup.end_in_use();
}

/// Its tables are as they were, so that it can go on by them; but what is unmapped is not forgotten
/// any more, and so it is kept.
#[test]
fn a_unit_that_wakes_without_a_queue_still_translates() {
    for seed in 1..10 {
        let mut setup = Setup::new(seed);
        setup.power.operations().suspend().unwrap();
        setup.machine.hardware.lose_power();
        setup.machine.hardware.hang(usize::MAX);
        print::capture();
        setup.power.operations().resume();
        let told = print::captured();
        assert!(
            told.iter()
                .any(|line| line.contains("does not work after sleep")),
            "{told:?}"
        );
        assert!(setup.machine.hardware.is_translating());
        assert_eq!(
            setup.running.unit.queue.submit(&[Descriptor::IotlbGlobal]),
            Err(EIO)
        );
        setup.check();
        // The machine watches that nothing is freed that the unit has cached.
        for _ in 0..10 {
            let mut gather = Gather::new();
            setup.space.unmap(&mut setup.random, &mut gather);
            setup.space.domain.sync(&mut gather);
        }
        setup.end_in_use();
    }
}

/// If the unit does not even take the root table, there is only this to do.
#[test]
fn a_unit_that_does_not_wake_is_given_up() {
    let setup = Setup::new(1);
    setup.power.operations().suspend().unwrap();
    setup.machine.hardware.lose_power();
    // The first command of a unit that is off: the root table.
    setup.machine.hardware.ignore_command(0);
    print::capture();
    setup.power.operations().resume();
    let told = print::captured();
    assert!(
        told.iter()
            .any(|line| line.contains("DMA is not translated")),
        "{told:?}"
    );
    assert_eq!(
        setup.running.unit.queue.submit(&[Descriptor::IotlbGlobal]),
        Err(EIO)
    );
    setup.end_in_use();
}
