// SPDX-License-Identifier: GPL-2.0

//! Sleep: the unit loses what its registers say, and goes on where it was.

use crate::{
    machine::{
        Machine,
        Running, //
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
    print,
    processor::cpu_relax,
    str::CString, //
};
use vtd_model::config::Config;

const SID: u16 = 0x0078;

#[test]
fn everything_goes_on_after_sleep() {
    for seed in 1..20 {
        print::capture();
        let config = Config {
            coherent: seed % 2 == 0,
            caching_mode: seed % 3 == 0,
            protected_memory: seed % 5 == 0,
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let mut ids = KVec::new();
        ids.push(SID.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:00:0f.0").unwrap();
        let endpoint = running.instance.probe(name, ids, None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let mut space = Space::new(&endpoint);
        let target = Target::Domain(space.domain.clone());
        group.attach(&endpoint, Route::Rid, target).unwrap();
        let mut random = Random::new(seed);

        for _ in 0..4 {
            // The queue is somewhere else in its ring each time, and has numbers of its own.
            for _ in 0..random.below(40) {
                space.map(&mut random);
                let mut gather = Gather::new();
                space.unmap(&mut random, &mut gather);
                space.domain.sync(&mut gather);
                space.map(&mut random);
            }

            let asleep = running.unit.sleep().unwrap();
            assert!(!machine.hardware.is_translating());
            machine.hardware.reset();
            running.unit.wake(&asleep).unwrap();
            assert!(machine.hardware.is_translating());
            assert!(!machine.hardware.protects_memory());

            // What was mapped is.
            for mapping in &space.mappings {
                let found = machine.hardware.dma(SID, mapping.iova, true);
                assert_eq!(found.ok(), space.lookup(mapping.iova, true));
                cpu_relax();
            }
            // What is unmapped is not.
            let mut gather = Gather::new();
            let gone = space.unmap(&mut random, &mut gather);
            space.domain.sync(&mut gather);
            print::captured();
            if let Some(mapping) = gone {
                assert!(machine.hardware.dma(SID, mapping.iova, true).is_err());
                // And that is reported.
                cpu_relax();
                assert_eq!(print::captured().len(), 1);
            }
        }
        group.leave(&endpoint, &Target::Blocked);
        running.instance.release(&endpoint);
    }
}
