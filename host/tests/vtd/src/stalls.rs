// SPDX-License-Identifier: GPL-2.0

//! A queue in which nothing gets on: it is turned off and on again, and only if that does not help
//! the unit is lost.

use crate::{
    invalidate::descriptor::Descriptor,
    one_device::OneDevice,
    random::Random, //
};
use iommu_ext::gather::Gather;
use kernel::{
    print,
    time::waited, //
};
use vtd_model::config::Config;

fn setup(seed: u64) -> OneDevice {
    print::capture();
    let config = Config {
        seed,
        coherent: seed % 2 == 0,
        ..Config::default()
    };
    let setup = OneDevice::new(config, 40);
    for mapping in &setup.space.mappings {
        setup.read(mapping.iova);
    }
    setup
}

/// What is unmapped meanwhile is gone: everything that the unit had cached is.
#[test]
fn a_queue_that_stalls_is_turned_off_and_on() {
    for seed in 1..20 {
        let mut setup = setup(seed);
        let mut random = Random::new(seed);
        for round in 1..4 {
            setup.machine.hardware.wedge();
            let mut gather = Gather::new();
            let gone = setup.space.unmap(&mut random, &mut gather);
            let before = waited().as_millis();
            setup.space.domain.sync(&mut gather);
            let took = waited().as_millis() - before;
            assert!((500..1500).contains(&took), "seed {seed}: {took} ms");
            assert_eq!(gone.and_then(|gone| setup.read(gone.iova)), None);
            assert_eq!(setup.running.unit.counts().recoveries, round);
        }
        assert!(!setup.running.instance.is_lost());
        let submitted = setup.running.unit.queue.submit(&[Descriptor::IotlbGlobal]);
        assert_eq!(submitted, Ok(()));
        setup.end();
    }
}

/// Everybody who waits sees the outcome.
#[test]
fn one_cpu_turns_the_queue_off_and_on_for_all() {
    const THREADS: usize = 6;
    for seed in 1..10 {
        let setup = setup(seed);
        let OneDevice {
            machine, running, ..
        } = &setup;
        machine.hardware.wedge();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let _entered = machine.enter();
                    let requests = [Descriptor::ContextGlobal, Descriptor::IotlbGlobal];
                    assert_eq!(running.unit.queue.submit(&requests), Ok(()));
                });
            }
        });
        assert_eq!(running.unit.counts().recoveries, 1);
        setup.end();
    }
}

/// QEMU refuses to turn a queue off that is not empty. Nothing is known of what was sent then.
#[test]
fn a_queue_that_cannot_be_turned_off_costs_the_unit() {
    for seed in 1..4 {
        let mut setup = setup(seed);
        setup.machine.hardware.wedge();
        setup.machine.hardware.keep_queue();
        let mut gather = Gather::new();
        setup.space.unmap(&mut setup.random, &mut gather);
        let before = waited().as_millis();
        setup.space.domain.sync(&mut gather);
        let took = waited().as_millis() - before;
        assert!(took < 2500, "seed {seed}: {took} ms");
        assert!(setup.running.instance.is_lost());
        let told = print::captured().concat();
        assert!(told.contains("QIES stays set"), "{told}");
        setup.end_in_use();
    }
}
