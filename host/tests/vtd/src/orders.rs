// SPDX-License-Identifier: GPL-2.0

//! The order in which a unit is programmed, at load, at suspend, at resume and at unload, where the
//! end state does not tell it.
//!
//! The model refuses what the specification forbids (`vtd_model::order`). Here stands what has to
//! come before what besides, by the offsets of 11.4.

use crate::{
    machine::{
        Machine,
        Running, //
    },
    one_device::OneDevice,
    power, //
};
use iommu_ext::power::CoreOperations;
use kernel::prelude::*;
use vtd_model::{
    config::Config,
    order::Step, //
};

const COMMAND: usize = 0x18;
const FAULT_STATUS: usize = 0x34;
const EVENT_CONTROL: usize = 0x38;
const PROTECTED_MEMORY: usize = 0x64;
/// The upper half of the first fault record: CAP_REG.FRO as the model has it.
const FIRST_RECORD: usize = 0x20c;

const TRANSLATION: u32 = 1 << 31;
const ROOT_TABLE: u32 = 1 << 30;
const QUEUE: u32 = 1 << 26;

fn unit(seed: u64) -> Config {
    Config {
        seed,
        protected_memory: true,
        ..Config::default()
    }
}

/// What was done.
struct Steps(Vec<Step>);

impl Steps {
    /// The positions of the steps for which `is` holds, the first one and the last one.
    fn ends(&self, is: impl Fn(&Step) -> bool) -> Option<(usize, usize)> {
        let mut found = self.0.iter().enumerate().filter(|(_, step)| is(step));
        let (first, _) = found.next()?;
        Some((first, found.last().map_or(first, |(last, _)| last)))
    }

    /// Asserts that all steps of one kind, and there are some, are before all of another kind.
    fn assert_before(
        &self,
        first: impl Fn(&Step) -> bool,
        then: impl Fn(&Step) -> bool,
        why: &str,
    ) {
        let (_, last) = self
            .ends(first)
            .unwrap_or_else(|| panic!("the first is never: {why}"));
        let (next, _) = self
            .ends(then)
            .unwrap_or_else(|| panic!("the second is never: {why}"));
        assert!(
            last < next,
            "{why}: {last} is not before {next} in {:x?}",
            self.0
        );
    }

    /// The order in which a unit begins to translate.
    fn assert_begins(&self) {
        self.assert_before(
            done(ROOT_TABLE),
            done(QUEUE),
            "invalidations follow the root table (6.6)",
        );
        self.assert_before(
            done(QUEUE),
            given(TRANSLATION),
            "there is a queue to invalidate by (6.6)",
        );
        for forgotten in [FIRST_RECORD, FAULT_STATUS] {
            self.assert_before(
                wrote(forgotten),
                unmasked,
                "old faults are forgotten before the event may be sent: it tells of new ones (7.3)",
            );
        }
        self.assert_before(
            unmasked,
            given(TRANSLATION),
            "the first fault is told (7.3)",
        );
        self.assert_before(
            done(TRANSLATION),
            wrote(PROTECTED_MEMORY),
            "memory is protected until DMA is translated (11.4.8)",
        );
    }

    /// The order in which a unit ends to translate.
    fn assert_ends(&self) {
        self.assert_before(
            off(TRANSLATION),
            off(QUEUE),
            "while DMA is translated there is a queue to invalidate by",
        );
    }
}

fn wrote(register: usize) -> impl Fn(&Step) -> bool {
    move |step| matches!(step, Step::Wrote { offset, .. } if *offset == register)
}

fn unmasked(step: &Step) -> bool {
    matches!(step, Step::Wrote { offset: EVENT_CONTROL, value } if value >> 31 & 1 == 0)
}

/// A command is given that has this bit set.
fn given(command: u32) -> impl Fn(&Step) -> bool {
    move |step| {
        let value = match step {
            Step::Wrote {
                offset: COMMAND,
                value,
            } => *value as u32,
            _ => 0,
        };
        value & command != 0
    }
}

/// A command is done, and this bit is set, for the first time.
fn done(command: u32) -> impl Fn(&Step) -> bool {
    let seen = std::cell::Cell::new(false);
    move |step| {
        let is_set = matches!(step, Step::Done { status } if status & command != 0);
        is_set && !seen.replace(true)
    }
}

/// A command is done, and this bit is clear.
fn off(command: u32) -> impl Fn(&Step) -> bool {
    let seen = std::cell::Cell::new(false);
    move |step| {
        let is_clear = matches!(step, Step::Done { status } if status & command == 0);
        is_clear && !seen.replace(true)
    }
}

#[test]
fn at_load_and_unload() {
    for seed in 1..10 {
        let config = unit(seed);
        let machine = Machine::new(config);
        machine.hardware.record_steps(true);
        let running = Running::new(&machine, &config);
        Steps(machine.hardware.record_steps(true)).assert_begins();
        drop(running);
        Steps(machine.hardware.record_steps(false)).assert_ends();
    }
}

#[test]
fn at_suspend_and_resume() {
    for seed in 1..10 {
        let device = OneDevice::new(unit(seed), 5);
        let mut units = KVec::new();
        units.push(device.running.unit.clone(), GFP_KERNEL).unwrap();
        let power = power::register(units).unwrap();
        let hardware = device.machine.hardware.clone();
        hardware.record_steps(true);
        power.operations().suspend().unwrap();
        Steps(hardware.record_steps(false)).assert_ends();
        hardware.lose_power();
        hardware.record_steps(true);
        power.operations().resume();
        Steps(hardware.record_steps(false)).assert_begins();
        drop(power);
        device.end();
    }
}
