// SPDX-License-Identifier: GPL-2.0

//! Devices whose TLB may answer too soon: each invalidation is sent to them twice.

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
    ats::Requests,
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

const SID: u16 = 0x0048;

/// Requests to the device that each of some unmaps has sent, and then a detach.
fn sent_to_a_device(requests: Requests) -> (Vec<u64>, u64) {
    let config = Config {
        device_tlbs: true,
        ..Config::default()
    };
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    let mut ids = KVec::new();
    ids.push(SID.into(), GFP_KERNEL).unwrap();
    let tlb = Ats::new(&machine, SID, 4, false).device_tlb();
    let tlb = tlb.with_requests(requests);
    let name = CString::try_from(c"0000:00:09.0").unwrap();
    let endpoint = running.instance.probe(name, ids, Some(tlb), None).unwrap();
    let group = Group::new().unwrap();
    group.join(endpoint.clone()).unwrap();

    let mut space = Space::new(&endpoint);
    let mut random = Random::new(config.seed);
    for _ in 0..12 {
        space.map(&mut random);
    }
    let target = Target::Domain(space.domain.clone());
    group.attach(&endpoint, Route::Rid, target).unwrap();
    let sent = || running.unit.counts().device_tlb;
    let mut unmaps = Vec::new();
    for _ in 0..4 {
        let before = sent();
        let mut gather = Gather::new();
        if space.unmap(&mut random, &mut gather).is_some() {
            space.domain.sync(&mut gather);
            unmaps.push(sent() - before);
        }
    }
    let before = sent();
    group.leave(&endpoint, &Target::Blocked);
    let detach = sent() - before;
    running.instance.release(&endpoint);
    (unmaps, detach)
}

#[test]
fn a_device_that_answers_too_soon_is_asked_twice() {
    for (requests, expected) in [(Requests::Once, 1), (Requests::Twice, 2)] {
        let (unmaps, detach) = sent_to_a_device(requests);
        assert!(!unmaps.is_empty() && unmaps.iter().all(|sent| *sent == expected));
        assert_eq!(detach, expected);
    }
}
