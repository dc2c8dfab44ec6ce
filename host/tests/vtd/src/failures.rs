// SPDX-License-Identifier: GPL-2.0

//! Invalidations that fail: what the unit may still use is kept for good.

use crate::{
    invalidate::descriptor::Descriptor,
    one_device::{
        OneDevice,
        SID, //
    },
    random::Random,
    space::Space, //
};
use iommu_core::{
    group::{
        Group,
        Target, //
    },
    route::Route, //
};
use iommu_ext::gather::Gather;
use kernel::{
    prelude::*,
    str::CString, //
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
        setup.attach(&other);
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

/// Who gets a domain after that does not find what is left of another one.
#[test]
fn a_tag_is_not_used_again_after_a_flush_that_has_failed() {
    const OTHER: u16 = 0x0033;
    for seed in 1..10 {
        let setup = setup(seed);
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
        end(setup);
    }
}
