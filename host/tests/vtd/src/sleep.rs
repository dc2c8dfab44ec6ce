// SPDX-License-Identifier: GPL-2.0

//! Sleep: what was interrupted goes on, and what fails leaves nothing open.

use crate::{
    invalidate::descriptor::Descriptor,
    machine::{
        Machine,
        Running,
        BASE,
        SECOND, //
    },
    one_device::{
        OneDevice,
        SID, //
    },
    power,
    unit::Unit, //
};
use bridge::unit::Translation;
use iommu_ext::{
    gather::Gather,
    power::CoreOperations, //
};
use kernel::{
    prelude::*,
    print,
    processor::cpu_relax,
    sync::Arc,
    time::waited, //
};
use vtd_model::config::Config;

/// Has units sleep and wake.
fn register(units: &[&Arc<Unit>]) -> power::Registration {
    let mut all = KVec::new();
    for unit in units {
        all.push((*unit).clone(), GFP_KERNEL).unwrap();
    }
    power::register(all).unwrap()
}

/// A device in a domain, and what makes its unit sleep. Dropped from the top down.
struct Setup {
    power: power::Registration,
    device: OneDevice,
}

impl Setup {
    fn new(seed: u64) -> Self {
        let config = Config {
            seed,
            protected_memory: seed % 2 == 0,
            ..Config::default()
        };
        let device = OneDevice::new(config, 20);
        Self {
            power: register(&[&device.running.unit]),
            device,
        }
    }

    /// The device reaches what is mapped, and nothing else.
    fn check(&self) {
        let OneDevice { space, machine, .. } = &self.device;
        for mapping in &space.mappings {
            for address in [mapping.iova, mapping.iova + mapping.len] {
                assert_eq!(self.device.read(address), space.lookup(address, false));
            }
        }
        assert!(machine.hardware.dma(SID ^ 1, 0x1000, false).is_err());
        cpu_relax();
    }

    /// Unmaps something.
    fn unmap(&mut self) {
        let OneDevice { space, random, .. } = &mut self.device;
        let mut gather = Gather::new();
        space.unmap(random, &mut gather);
        space.domain.sync(&mut gather);
    }

    /// All of it works: what is unmapped is gone, and a fault is told.
    fn check_all(&mut self) {
        self.check();
        self.unmap();
        self.check();
        print::capture();
        let hardware = &self.device.machine.hardware;
        hardware.dma(SID, 0x1000, true).ok();
        hardware.dma(SID ^ 1, 0x1000, true).unwrap_err();
        cpu_relax();
        let told = print::captured();
        assert!(told.iter().any(|line| line.contains("fault: ")), "{told:?}");
    }

    fn end(self) {
        drop(self.power);
        self.device.end();
    }

    /// As [`end`](Self::end), for a unit that may still use all that it was told of.
    fn end_in_use(self) {
        drop(self.power);
        self.device.end_in_use();
    }
}

/// Translation of some units does not turn off. That costs neither sleep, nor what comes after it: also
/// another kernel takes the unit over, and it can be given back, so that all DMA passes.
#[test]
fn a_unit_whose_translation_does_not_turn_off_does_all_the_same() {
    for seed in 1..5 {
        let config = Config {
            seed,
            coherent: seed % 2 == 0,
            caching_mode: seed % 3 == 0,
            keeps_translating: true,
            ..Config::default()
        };
        let device = OneDevice::new(config, 20);
        let mut setup = Setup {
            power: register(&[&device.running.unit]),
            device,
        };
        for round in 0..4 {
            let before = waited().as_millis();
            setup.power.operations().suspend().unwrap();
            let took = waited().as_millis() - before;
            // It is tried once.
            assert!(took < if round == 0 { 1500 } else { 50 }, "{took} ms");
            assert!(setup.device.machine.hardware.is_translating());
            if round % 2 == 0 {
                setup.device.machine.hardware.lose_power();
            }
            setup.power.operations().resume();
            setup.check_all();
        }
        assert!(!setup.device.running.instance.is_lost());

        // Somebody else takes it over, with translation on, and gives it back.
        let Setup { power, device } = setup;
        drop(power);
        let OneDevice { machine, .. } = &device;
        let unit = device.running.unit.clone();
        unit.disable().unwrap();
        for address in [0x5000, 0x1234_5000] {
            assert_eq!(device.read(address), Some(address));
        }
        let taken_over = Running::new(machine, &config);
        assert!(machine.hardware.is_translating());
        assert_eq!(device.read(0x5000), None);
        taken_over.unit.disable().unwrap();
        assert_eq!(device.read(0x5000), Some(0x5000));
        drop((taken_over, unit));
        device.end_in_use();
    }
}

/// On X58 no queue gets on before the queues of all units are on.
#[test]
fn no_unit_waits_for_the_queue_of_another_one() {
    for seed in 1..9 {
        let config = Config {
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let second = machine.add_unit(config);
        machine.hardware.depend_on(second.clone());
        second.depend_on(machine.hardware.clone());
        let units = [BASE, SECOND].map(|at| machine.claim_at(at, config.host_bits).unwrap());
        let started = units.each_ref().map(|unit| unit.start().unwrap());
        started.iter().for_each(|one| one.forget_all().unwrap());
        units.iter().for_each(|unit| unit.enable().unwrap());
        let power = register(&units.each_ref());
        for _ in 0..3 {
            power.operations().suspend().unwrap();
            machine.hardware.lose_power();
            second.lose_power();
            power.operations().resume();
            for unit in &units {
                assert!(unit.is_translating());
                assert_eq!(unit.counts().recoveries, 0, "seed {seed}");
                assert_eq!(unit.queue.submit(&[Descriptor::IotlbGlobal]), Ok(()));
            }
        }
        // Their models refer to each other: they are forgotten.
        drop((power, started, units));
    }
}

#[test]
fn after_sleep_all_is_as_before() {
    for seed in 1..20 {
        let mut setup = Setup::new(seed);
        for _ in 0..3 {
            setup.power.operations().suspend().unwrap();
            assert!(!setup.device.machine.hardware.is_translating());
            setup.device.machine.hardware.lose_power();
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
        let OneDevice {
            machine, running, ..
        } = &setup.device;
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
        let OneDevice {
            machine, running, ..
        } = &setup.device;
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
    for seed in 1..10 {
        let mut setup = Setup::new(seed);
        // What it ignores: that the queue is turned off.
        setup.device.machine.hardware.ignore_command(1);
        assert_eq!(setup.power.operations().suspend(), Err(ETIMEDOUT));
        assert!(setup.device.machine.hardware.is_translating());
        setup.check_all();
        // It has forgotten that it was to sleep.
        setup.power.operations().resume();
        setup.check_all();
        // Another time it can.
        setup.power.operations().suspend().unwrap();
        setup.device.machine.hardware.lose_power();
        setup.power.operations().resume();
        setup.check_all();
        setup.end();
    }
}

#[test]
fn a_unit_whose_queue_was_given_up_does_not_sleep() {
    let setup = Setup::new(1);
    setup.device.running.unit.queue.give_up("a test");
    assert_eq!(setup.power.operations().suspend(), Err(EIO));
    assert!(setup.device.machine.hardware.is_translating());
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
        setup.device.machine.hardware.lose_power();
        setup.device.machine.hardware.hang(usize::MAX);
        print::capture();
        setup.power.operations().resume();
        let told = print::captured();
        assert!(
            told.iter()
                .any(|line| line.contains("does not work after sleep")),
            "{told:?}"
        );
        assert!(setup.device.machine.hardware.is_translating());
        assert_eq!(
            setup
                .device
                .running
                .unit
                .queue
                .submit(&[Descriptor::IotlbGlobal]),
            Err(EIO)
        );
        setup.check();
        // The machine watches that nothing is freed that the unit has cached.
        for _ in 0..10 {
            setup.unmap();
        }
        setup.end_in_use();
    }
}

/// If the unit does not even take the root table, there is only this to do.
#[test]
fn a_unit_that_does_not_wake_is_given_up() {
    let setup = Setup::new(1);
    setup.power.operations().suspend().unwrap();
    setup.device.machine.hardware.lose_power();
    // The first command of a unit that is off: the root table.
    setup.device.machine.hardware.ignore_command(0);
    print::capture();
    setup.power.operations().resume();
    let told = print::captured();
    assert!(
        told.iter()
            .any(|line| line.contains("DMA is not translated")),
        "{told:?}"
    );
    assert_eq!(
        setup
            .device
            .running
            .unit
            .queue
            .submit(&[Descriptor::IotlbGlobal]),
        Err(EIO)
    );
    setup.end_in_use();
}
