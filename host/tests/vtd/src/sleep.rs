// SPDX-License-Identifier: GPL-2.0

//! Sleep: what was interrupted goes on, and what fails leaves nothing open.

use crate::{
    invalidate::descriptor::Descriptor,
    one_device::{
        OneDevice,
        SID, //
    },
    power, //
};
use iommu_ext::{
    gather::Gather,
    power::CoreOperations, //
};
use kernel::{
    prelude::*,
    print,
    processor::cpu_relax, //
};
use vtd_model::config::Config;

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
            power: power::register(device.running.unit.clone()).unwrap(),
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
    // What it ignores: that translation is turned off, or that the queue is.
    for ignored in [0, 1] {
        for seed in 1..10 {
            let mut setup = Setup::new(seed);
            setup.device.machine.hardware.ignore_command(ignored);
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
