// SPDX-License-Identifier: GPL-2.0

//! Invalidations that fail: what the unit may still use is kept for good.

use crate::{
    invalidate::descriptor::Descriptor,
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
use iommu_ext::gather::Gather;
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};
use vtd_model::config::Config;

const SID: u16 = 0x00f8;

/// A device that has used all that is mapped in its domain, so that everything is cached.
struct Setup {
    space: Space,
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    running: Running,
    machine: Machine,
}

impl Setup {
    fn new(seed: u64) -> Self {
        let config = Config {
            seed,
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
        for _ in 0..40 {
            space.map(&mut random);
        }
        let setup = Self {
            space,
            group,
            endpoint,
            running,
            machine,
        };
        setup.attach(&setup.space);
        setup.use_all();
        setup
    }

    fn attach(&self, space: &Space) {
        let target = Target::Domain(space.domain.clone());
        let attached = self.group.attach(&self.endpoint, Route::Rid, target);
        attached.unwrap();
    }

    /// The device reads all that is mapped, and whatever the unit has cached. What it finds does
    /// not matter: the machine watches that none of it was freed.
    fn use_all(&self) {
        for mapping in &self.space.mappings {
            let _ = self.machine.hardware.dma(SID, mapping.iova, false);
        }
    }

    /// The device goes, and so does its domain. What the unit may use stays.
    fn end(self) {
        let Self {
            space,
            group,
            endpoint,
            running,
            machine,
        } = self;
        for mapping in space.mappings.clone() {
            let _ = machine.hardware.dma(SID, mapping.iova, true);
        }
        group.leave(&endpoint, &Target::Blocked);
        running.instance.release(&endpoint);
        drop(space);
        // The unit is still on.
        let _ = machine.hardware.dma(SID, 0x1000, false);
        drop(running);
        machine.forget();
    }
}

#[test]
fn tables_outlive_a_flush_that_has_failed() {
    for seed in 1..20 {
        let mut setup = Setup::new(seed);
        setup.machine.hardware.hang(usize::MAX);
        let gone = setup.space.mappings.clone();
        let mut random = Random::new(seed);
        for _ in 0..20 {
            let mut gather = Gather::new();
            setup.space.unmap(&mut random, &mut gather);
            setup.space.domain.sync(&mut gather);
        }
        for mapping in gone {
            let _ = setup.machine.hardware.dma(SID, mapping.iova, false);
        }
        setup.end();
    }
}

#[test]
fn a_domain_outlives_a_context_entry_that_may_be_stale() {
    for seed in 1..20 {
        let setup = Setup::new(seed);
        // As often as the queue tries: the context entry's flush fails. Those after it need not.
        setup.machine.hardware.time_out(33);
        let other = Space::new(&setup.endpoint);
        setup.attach(&other);
        // No flush that comes later may succeed: what the entry led to would be freed.
        let later = setup.running.unit.queue.submit(&[Descriptor::IotlbGlobal]);
        assert_eq!(later, Err(EIO));
        drop(other);
        setup.end();
    }
}

/// Who still has the domain may unmap there: that frees no table which the unit may walk.
#[test]
fn tables_outlive_a_leave_that_has_failed() {
    for seed in 1..5 {
        let mut setup = Setup::new(seed);
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
            let _ = setup.machine.hardware.dma(SID, mapping.iova, false);
        }
        setup.end();
    }
}

/// Who gets a domain after that does not find what is left of another one.
#[test]
fn a_tag_is_not_used_again_after_a_flush_that_has_failed() {
    const OTHER: u16 = 0x0033;
    for seed in 1..10 {
        let setup = Setup::new(seed);
        setup.machine.hardware.hang(usize::MAX);
        setup.group.leave(&setup.endpoint, &Target::Blocked);

        let mut ids = KVec::new();
        ids.push(OTHER.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:00:06.3").unwrap();
        let endpoint = setup.running.instance.probe(name, ids, None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let empty = Space::new(&endpoint);
        let target = Target::Domain(empty.domain.clone());
        group.attach(&endpoint, Route::Rid, target).unwrap();
        for mapping in &setup.space.mappings {
            let found = setup.machine.hardware.dma(OTHER, mapping.iova, false);
            assert!(found.is_err(), "{found:x?}");
        }

        group.leave(&endpoint, &Target::Blocked);
        setup.running.instance.release(&endpoint);
        drop(empty);
        setup.end();
    }
}
