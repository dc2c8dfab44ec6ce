// SPDX-License-Identifier: GPL-2.0

//! Invalidations that fail: what the unit may still use is kept for good.

use crate::{
    invalidate::descriptor::Descriptor,
    machine::Machine,
    one_device::{
        OneDevice,
        SID, //
    },
    random::Random,
    space::Space, //
};
use iommu_core::{
    endpoint::BusMaster,
    group::Target,
    route::Route, //
};
use iommu_ext::gather::Gather;
use kernel::{
    prelude::*,
    print,
    str::CString,
    sync::Arc, //
};
use std::sync::atomic::{
    AtomicUsize,
    Ordering::Relaxed, //
};
use vtd_model::config::Config;

/// A device that has used all that is mapped in its domain, so that everything is cached.
fn setup(seed: u64) -> OneDevice {
    let config = Config {
        seed,
        ..Config::default()
    };
    let setup = OneDevice::new(config, 40);
    // What it finds does not matter: the machine watches that none of it was freed.
    for mapping in &setup.space.mappings {
        setup.read(mapping.iova);
    }
    setup
}

/// The device uses all that is mapped, and goes. What the unit may use stays.
fn end(setup: OneDevice) {
    for mapping in &setup.space.mappings {
        let _ = setup.machine.hardware.dma(SID, mapping.iova, true);
    }
    setup.end_in_use();
}

#[test]
fn tables_outlive_a_flush_that_has_failed() {
    for seed in 1..20 {
        let mut setup = setup(seed);
        setup.machine.hardware.hang(usize::MAX);
        let gone = setup.space.mappings.clone();
        let mut random = Random::new(seed);
        for _ in 0..20 {
            let mut gather = Gather::new();
            setup.space.unmap(&mut random, &mut gather);
            setup.space.domain.sync(&mut gather);
        }
        for mapping in gone {
            setup.read(mapping.iova);
        }
        end(setup);
    }
}

#[test]
fn a_domain_outlives_a_context_entry_that_may_be_stale() {
    for seed in 1..20 {
        let setup = setup(seed);
        // As often as the queue tries: the context entry's flush fails. Those after it need not.
        setup.machine.hardware.time_out(33);
        let other = Space::new(&setup.endpoint);
        let target = Target::Domain(other.domain.clone());
        let attached = setup.group.attach(&setup.endpoint, Route::Rid, target);
        assert_eq!(attached, Err(EIO));
        // No flush that comes later may succeed: what the entry led to would be freed.
        let later = setup.running.unit.queue.submit(&[Descriptor::IotlbGlobal]);
        assert_eq!(later, Err(EIO));
        drop(other);
        end(setup);
    }
}

/// Who still has the domain may unmap there: that frees no table which the unit may walk.
#[test]
fn tables_outlive_a_leave_that_has_failed() {
    for seed in 1..5 {
        let mut setup = setup(seed);
        setup.machine.hardware.hang(usize::MAX);
        setup.group.leave(&setup.endpoint, &Target::Blocked);
        let gone = setup.space.mappings.clone();
        let mut random = Random::new(seed);
        while !setup.space.mappings.is_empty() {
            let mut gather = Gather::new();
            setup.space.unmap(&mut random, &mut gather);
            setup.space.domain.sync(&mut gather);
        }
        for mapping in gone {
            setup.read(mapping.iova);
        }
        end(setup);
    }
}

/// How a unit fails for good: whether it can still be made to refuse everything.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Loss {
    /// Its queue hangs, and registers invalidate.
    Hangs,
    /// As above, but setting the root table drops what is cached, and there are no such registers.
    HangsEnhanced,
    /// Its queue hangs, and nothing else drops what is cached.
    HangsForGood,
    /// As above: there are no such registers.
    HangsWithoutRegisters,
    /// It does not take a root table.
    IgnoresCommands,
    /// Its registers are gone.
    Dies,
}

impl Loss {
    const ALL: [Self; 6] = [
        Self::Hangs,
        Self::HangsEnhanced,
        Self::HangsForGood,
        Self::HangsWithoutRegisters,
        Self::IgnoresCommands,
        Self::Dies,
    ];

    fn config(self, seed: u64) -> Config {
        Config {
            seed,
            coherent: seed % 2 == 0,
            caching_mode: seed % 3 == 0,
            invalidates_by_registers: !matches!(
                self,
                Self::HangsEnhanced | Self::HangsWithoutRegisters
            ),
            root_table_flushes: self == Self::HangsEnhanced,
            ..Config::default()
        }
    }

    fn happen(self, machine: &Machine) {
        let hardware = &machine.hardware;
        hardware.hang(usize::MAX);
        match self {
            Self::HangsForGood => hardware.ignore_registers(),
            Self::IgnoresCommands => hardware.ignore_commands(),
            Self::Dies => hardware.die(),
            _ => (),
        }
    }

    fn is_refusing(self) -> bool {
        matches!(self, Self::Hangs | Self::HangsEnhanced)
    }
}

/// How often a device was told to send no requests any more.
struct Stopped(AtomicUsize);

impl BusMaster for Stopped {
    fn stop(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Neither an old device nor a new one gets anywhere: not to what is unmapped after the loss, and
/// not to where it led before, if the unit can be made to refuse that; else the devices are told.
#[test]
fn a_lost_unit_takes_no_route_and_its_devices_are_cut_off() {
    const OTHER: u16 = 0x0033;
    for (seed, loss) in (1..4).flat_map(|seed| Loss::ALL.map(|loss| (seed, loss))) {
        print::capture();
        let mut setup = OneDevice::new(loss.config(seed), 40);
        for mapping in &setup.space.mappings {
            setup.read(mapping.iova);
        }
        let instance = setup.running.instance.clone();
        let probe = |bus_master: Option<Arc<dyn BusMaster>>| {
            let mut ids = KVec::new();
            ids.push(OTHER.into(), GFP_KERNEL).unwrap();
            let name = CString::try_from(c"0000:00:06.3").unwrap();
            instance.probe(name, ids, None, bus_master)
        };
        let stopped = Arc::new(Stopped(AtomicUsize::new(0)), GFP_KERNEL).unwrap();
        let other = probe(Some(stopped.clone())).unwrap();
        loss.happen(&setup.machine);

        // The first unmap after the loss is the first to notice.
        let mut gather = Gather::new();
        let gone = setup.space.unmap(&mut Random::new(seed), &mut gather);
        setup.space.domain.sync(&mut gather);
        let reaches = |iova| setup.machine.hardware.dma(SID, iova, false).is_ok();
        let still = gone.iter().chain(&setup.space.mappings);
        let reached = still.filter(|mapping| reaches(mapping.iova)).count();
        let told = stopped.0.load(Relaxed);
        if loss.is_refusing() {
            assert_eq!((reached, told), (0, 0), "seed {seed}, {loss:?}");
        } else {
            assert_eq!(told, 1, "seed {seed}, {loss:?}");
        }
        let new = Space::new(&setup.endpoint);
        let there = || Target::Domain(setup.space.domain.clone());
        for (target, expected) in [
            (Target::Blocked, Err(EIO)),
            (Target::Identity, Err(EIO)),
            (Target::Domain(new.domain.clone()), Err(EIO)),
            (there(), Ok(())),
        ] {
            let attached = setup.group.attach(&setup.endpoint, Route::Rid, target);
            assert_eq!(attached, expected, "seed {seed}, {loss:?}");
        }
        assert_eq!(probe(None).err(), Some(EIO));
        let lines = print::captured().concat();
        assert_eq!(
            lines.matches("the unit is lost: it serves").count(),
            1,
            "{lines}"
        );

        instance.release(&other);
        drop((instance, other, new));
        end(setup);
    }
}
