// SPDX-License-Identifier: GPL-2.0

//! A context entry between any two stores of the CPU.
//!
//! What a unit may read there is looked at after every store and before every flush, so that no
//! chance is needed to see an entry that is written in parts: each time the entry is what it was
//! before the change, or what it is after it (VT-d 6.2.2.1 and 9.3: the unit reads all 128 bits at
//! once).

use crate::{
    ats::Ats,
    machine::{
        Machine,
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
use kernel::{
    prelude::*,
    print,
    str::CString,
    sync::Arc, //
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc as Shared,
        Mutex, //
    }, //
};
use vtd_model::{
    config::Config,
    device::Conduct, //
};

const SID: u16 = 0x0110;

type Entry = [u64; 2];

/// The device's entry, as the CPU sees it (`snoop`) or as it was written back last. Where the unit
/// finds no context table there is as little as in an empty one.
fn entry(hardware: &vtd_model::Unit, snoop: bool) -> Entry {
    hardware.context_entry(SID, snoop).unwrap_or_default()
}

/// A device whose context entry is watched. Dropped from the top down.
struct Watched {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    running: Running,
    /// What was seen since this was looked at last.
    seen: Shared<Mutex<BTreeSet<Entry>>>,
    is_coherent: bool,
    machine: Machine,
}

impl Watched {
    /// `has_tlb`: the device has a TLB of its own.
    fn new(config: Config, has_tlb: bool) -> Self {
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let mut ids = KVec::new();
        ids.push(SID.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:01:02.0").unwrap();
        let tlb = has_tlb.then(|| Ats::new(&machine, SID, 0, false).device_tlb());
        let endpoint = running.instance.probe(name, ids, tlb, None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let seen = Shared::new(Mutex::new(BTreeSet::new()));
        let (hardware, found) = (machine.hardware.clone(), seen.clone());
        machine.watch(move || {
            // To a unit that does not snoop, a cache line may be written back at any moment.
            let views: &[bool] = if config.coherent {
                &[true]
            } else {
                &[true, false]
            };
            let entries = views.iter().map(|snoop| entry(&hardware, *snoop));
            found.lock().unwrap().extend(entries);
        });
        Self {
            group,
            endpoint,
            running,
            seen,
            is_coherent: config.coherent,
            machine,
        }
    }

    /// The entry, which is the same to the CPU and to the unit once a change is complete.
    fn entry(&self) -> Entry {
        let [cpu, unit] = [true, false].map(|snoop| entry(&self.machine.hardware, snoop));
        if !self.is_coherent {
            assert_eq!(cpu, unit, "the unit does not see the entry");
        }
        cpu
    }

    /// Does something that changes the entry, in one step. Returns what it is then.
    fn change(&self, f: impl FnOnce(&Self)) -> Entry {
        let before = self.entry();
        self.seen.lock().unwrap().clear();
        f(self);
        let after = self.entry();
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        // The flush of the new entry, at least, was watched.
        assert!(self.is_coherent || seen.contains(&before));
        seen.remove(&before);
        seen.remove(&after);
        assert!(
            seen.is_empty(),
            "{before:x?} becomes {after:x?} by way of {seen:x?}"
        );
        after
    }

    fn attach(&self, target: Target) -> Entry {
        self.change(|watched| {
            let attached = watched.group.attach(&watched.endpoint, Route::Rid, target);
            attached.unwrap();
        })
    }

    /// The device goes, then its domains, then the unit.
    fn end(self, spaces: Vec<Space>) {
        self.change(|watched| {
            watched.group.leave(&watched.endpoint, &Target::Blocked);
        });
        self.running.instance.release(&self.endpoint);
        drop(spaces);
    }
}

fn configs() -> impl Iterator<Item = Config> {
    (0..8).map(|choice| Config {
        coherent: choice & 1 != 0,
        write_buffer: choice & 2 != 0,
        caching_mode: choice & 4 != 0,
        device_tlbs: true,
        ..Config::default()
    })
}

/// Of blocked, two domains and untranslated, each becomes each other one.
#[test]
fn every_change_is_one_step() {
    for config in configs() {
        for has_tlb in [false, true] {
            let watched = Watched::new(config, has_tlb);
            let spaces: Vec<_> = (0..2).map(|_| Space::new(&watched.endpoint)).collect();
            let domain = |which: usize| Target::Domain(spaces[which].domain.clone());
            let mut entries = BTreeSet::new();
            for target in [
                domain(0),
                domain(1),
                domain(0),
                Target::Identity,
                domain(1),
                Target::Blocked,
                Target::Identity,
                Target::Blocked,
                domain(0),
                domain(0),
            ] {
                entries.insert(watched.attach(target));
            }
            assert_eq!(entries.len(), 4);
            watched.end(spaces);
        }
    }
}

/// A device that does not answer is not believed any more: the entry changes while the device is in
/// its domain.
#[test]
fn a_device_is_cut_off_in_one_step() {
    print::capture();
    for config in configs() {
        let watched = Watched::new(config, true);
        let mut space = Space::new(&watched.endpoint);
        space.map(&mut Random::new(1));
        let believed = watched.attach(Target::Domain(space.domain.clone()));
        watched.machine.hardware.set_conduct(SID, Conduct::Silent);
        let refused = watched.change(|_| space.domain.flush_all().unwrap());
        assert_ne!(believed, refused);
        watched.end(vec![space]);
    }
}
