// SPDX-License-Identifier: GPL-2.0

//! A device with a TLB joins a domain that another device uses, while something is unmapped there.
//!
//! The unmap has found no device TLB, and waits for its invalidation. The IOTLB still holds the
//! translation, as the other device has used it: the device that joins must not be answered from
//! there.

use crate::{
    ats::Ats,
    one_device::OneDevice,
    random::Random, //
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
use std::sync::{
    atomic::{
        AtomicBool,
        Ordering::Relaxed, //
    },
    Arc as Shared, //
};
use vtd_model::config::Config;

/// The device that joins.
const SID: u16 = 0x0100;

/// The device that joins, and the one that is in the domain. Dropped from the top down.
struct Setup {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    other: OneDevice,
}

impl Setup {
    fn new(seed: u64) -> Self {
        let config = Config {
            device_tlbs: true,
            seed,
            ..Config::default()
        };
        let other = OneDevice::new(config, 0);
        let mut ids = KVec::new();
        ids.push(SID.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:01:00.0").unwrap();
        let tlb = Ats::new(&other.machine, SID, 0, false).device_tlb();
        let endpoint = other
            .running
            .instance
            .probe(name, ids, Some(tlb), None)
            .unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        Self {
            group,
            endpoint,
            other,
        }
    }

    /// Unmaps something that the other device has used; after so many moments of waiting, the device
    /// joins the domain and reads there. Returns whether there was so much to wait for.
    fn unmap(&mut self, moments: usize) -> bool {
        let Self {
            group,
            endpoint,
            other,
        } = self;
        let OneDevice { space, random, .. } = other;
        space.map(random);
        let pages = |mapping: &crate::space::Mapping| {
            let (first, end) = (mapping.iova, mapping.iova + mapping.len);
            (first..end).step_by(4096).take(4)
        };
        for mapping in &space.mappings {
            for address in pages(mapping) {
                let _ = other
                    .machine
                    .hardware
                    .dma(crate::one_device::SID, address, false);
            }
        }
        let mut gather = Gather::new();
        let Some(gone) = space.unmap(random, &mut gather) else {
            return false;
        };
        let has_joined = Shared::new(AtomicBool::new(false));
        let join = {
            let (group, endpoint) = (group.clone(), endpoint.clone());
            let target = Target::Domain(space.domain.clone());
            let hardware = other.machine.hardware.clone();
            let has_joined = has_joined.clone();
            move || {
                group.attach(&endpoint, Route::Rid, target).unwrap();
                for address in pages(&gone) {
                    let _ = hardware.dma(SID, address, false);
                }
                has_joined.store(true, Relaxed);
            }
        };
        other.machine.meanwhile(moments, join);
        space.domain.sync(&mut gather);
        other.machine.interrupt_no_more();
        for address in pages(&gone) {
            for _ in 0..8 {
                let found = other.machine.hardware.dma(SID, address, false);
                assert!(found.is_err(), "{address:#x} is reached: {found:x?}");
            }
        }
        group.attach(endpoint, Route::Rid, Target::Blocked).unwrap();
        has_joined.load(Relaxed)
    }

    fn end(self) {
        let Self {
            group,
            endpoint,
            other,
        } = self;
        group.leave(&endpoint, &Target::Blocked);
        other.running.instance.release(&endpoint);
        // Before the machine ends: they refer to its unit.
        drop((group, endpoint));
        other.end();
    }
}

#[test]
fn a_device_that_joins_gets_nothing_that_is_unmapped() {
    let mut joined = 0;
    for seed in 1..40 {
        let mut setup = Setup::new(seed);
        let mut random = Random::new(seed);
        for _ in 0..20 {
            joined += usize::from(setup.unmap(random.below(12) as usize));
        }
        setup.end();
    }
    assert!(joined > 200, "it has joined only {joined} times");
}
