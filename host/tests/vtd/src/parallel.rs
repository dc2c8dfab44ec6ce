// SPDX-License-Identifier: GPL-2.0

//! Several CPUs at once: in one domain, and on one queue.

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
use vtd_model::{
    config::Config,
    queue::Refusal, //
};

const THREADS: u64 = 4;
const SID: u16 = 0x0008;

/// One CPU's work in its part of a domain: what it has mapped is reached, and what it has unmapped
/// is not, as soon as its own invalidation is done.
fn work(machine: &Machine, space: &mut Space, random: &mut Random) {
    let check = |space: &Space, address: u64, write: bool| {
        let found = machine.hardware.dma(SID, address, write);
        assert_eq!(found.ok(), space.lookup(address, write), "{address:#x}");
        cpu_relax();
    };
    for _ in 0..1500 {
        if random.percent(50) {
            space.map(random);
        } else {
            let mut gather = Gather::new();
            let gone = space.unmap(random, &mut gather);
            space.domain.sync(&mut gather);
            if let Some(mapping) = gone {
                check(
                    space,
                    mapping.iova + random.below(mapping.len),
                    random.percent(50),
                );
            }
        }
        for mapping in space.mappings.clone().iter().take(4) {
            check(
                space,
                mapping.iova + random.below(mapping.len),
                random.percent(50),
            );
        }
    }
    print::captured();
}

fn run(config: Config, disturb: bool) {
    print::capture();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    let mut ids = KVec::new();
    ids.push(SID.into(), GFP_KERNEL).unwrap();
    let name = CString::try_from(c"0000:00:01.0").unwrap();
    let endpoint = running.instance.probe(name, ids, None, None).unwrap();
    let group = Group::new().unwrap();
    group.join(endpoint.clone()).unwrap();
    let whole = Space::new(&endpoint);
    let target = Target::Domain(whole.domain.clone());
    group.attach(&endpoint, Route::Rid, target).unwrap();

    let refusals = [2, 3].map(|granularity| Refusal {
        kind: 2,
        granularity,
    });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (machine, domain) = (&machine, whole.domain.clone());
            scope.spawn(move || {
                let _entered = machine.enter();
                print::capture();
                let part = 1 << 37;
                let mut space = Space::part(domain, thread * part, (thread + 1) * part);
                let mut random = Random::new(config.seed * THREADS + thread);
                if disturb {
                    let refused = if thread % 2 == 0 { &refusals[..] } else { &[] };
                    machine.hardware.refuse(refused);
                }
                work(machine, &mut space, &mut random);
            });
        }
    });

    machine.hardware.refuse(&[]);
    group.leave(&endpoint, &Target::Blocked);
    running.instance.release(&endpoint);
    drop(whole);
}

#[test]
fn disjoint_ranges_of_one_domain() {
    for (seed, coherent) in [(1, true), (2, false)] {
        run(
            Config {
                seed,
                coherent,
                ..Config::default()
            },
            false,
        );
    }
}

#[test]
fn disjoint_ranges_of_one_domain_with_errors_of_the_queue() {
    run(
        Config {
            seed: 3,
            coherent: false,
            ..Config::default()
        },
        true,
    );
}
