// SPDX-License-Identifier: GPL-2.0

//! The invalidation queue: waits, wrap-around, errors.

use crate::{
    invalidate::descriptor::Descriptor,
    machine::{
        Machine,
        Running, //
    },
    tables::context::DomainId, //
};
use iommu_core::{
    ats::DeviceTlbs,
    driver::{
        Caches,
        Driver,
        Scope, //
    },
    instance::Tag, //
};
use iommu_ext::addr::{
    Iova,
    IovaRange, //
};
use kernel::prelude::*;
use vtd_model::{
    config::Config,
    queue::Refusal, //
};

fn did(number: u32) -> DomainId {
    DomainId::of(Tag(number)).unwrap()
}

/// Requests of all kinds.
fn requests(count: usize) -> Vec<Descriptor> {
    let request = |i| match i % 4 {
        0 => Descriptor::ContextGlobal,
        1 => Descriptor::ContextDevice {
            did: did(3),
            sid: 0x108,
        },
        2 => Descriptor::IotlbGlobal,
        _ => Descriptor::IotlbDomain(did(5)),
    };
    (0..count).map(request).collect()
}

#[test]
fn nothing_returns_before_it_is_done() {
    for seed in 1..8 {
        let config = Config {
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        // Some hundred times around the ring.
        for round in 0..3000 {
            let count = round % 61;
            let before = machine.hardware.executed();
            running.unit.queue.submit(&requests(count)).unwrap();
            // A wait for every 24 requests.
            let expected = count + count.div_ceil(24);
            assert_eq!(machine.hardware.executed() - before, expected as u64);
        }
    }
}

/// The unit writes 32 bits of the numbers of waits. They begin again after a thousand.
#[test]
fn nothing_returns_before_it_is_done_when_numbers_begin_again() {
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    for _ in 0..2000 {
        let before = machine.hardware.executed();
        running.unit.queue.submit(&requests(3)).unwrap();
        assert_eq!(machine.hardware.executed() - before, 4);
    }
}

#[test]
fn counts_are_what_was_executed() {
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    running.unit.queue.submit(&requests(1000)).unwrap();
    let counts = running.unit.counts();
    assert_eq!(counts.context_device, 250);
    assert_eq!(counts.iotlb_domain, 250);
    // One more each for the start.
    assert_eq!(counts.context_global, 251);
    assert_eq!(counts.iotlb_global, 251);
    let all = 1002 + counts.wait;
    assert_eq!(machine.hardware.executed(), all);
}

/// The type and granularity fields of each request that has a wider one in its place.
const REPLACEABLE: [Refusal; 4] = [
    Refusal {
        kind: 1,
        granularity: 2,
    },
    Refusal {
        kind: 1,
        granularity: 3,
    },
    Refusal {
        kind: 2,
        granularity: 2,
    },
    Refusal {
        kind: 2,
        granularity: 3,
    },
];

#[test]
fn what_is_refused_is_replaced_by_something_wider() {
    let range = IovaRange::with_len(Iova(0x10_0000), 0x2000).unwrap();
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    machine.hardware.refuse(&REPLACEABLE);
    for _ in 0..200 {
        let before = running.unit.counts();
        let executed = machine.hardware.executed();
        running.unit.queue.submit(&requests(4)).unwrap();
        running
            .unit
            .invalidate(
                Tag(3),
                &Scope::Range(range, Caches::Leaves),
                DeviceTlbs::none(),
            )
            .unwrap();
        // All were executed: 4 and 1, in two batches.
        assert_eq!(machine.hardware.executed() - executed, 7);
        let after = running.unit.counts();
        assert_eq!(after.context_global - before.context_global, 2);
        assert_eq!(after.iotlb_global - before.iotlb_global, 3);
    }
}

#[test]
fn what_has_nothing_wider_ends_the_queue() {
    let hopeless = [
        (
            Refusal {
                kind: 1,
                granularity: 1,
            },
            Descriptor::ContextGlobal,
        ),
        (
            Refusal {
                kind: 2,
                granularity: 1,
            },
            Descriptor::IotlbGlobal,
        ),
        (
            Refusal {
                kind: 5,
                granularity: 2,
            },
            Descriptor::IotlbGlobal,
        ),
    ];
    for (refusal, request) in hopeless {
        let config = Config::default();
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        machine.hardware.refuse(&[refusal]);
        assert_eq!(running.unit.queue.submit(&[request]), Err(EIO));
        assert_eq!(running.unit.queue.submit(&requests(3)), Err(EIO));
    }
}

#[test]
fn a_device_that_does_not_answer_once_costs_a_repetition() {
    for seed in 1..50 {
        let config = Config {
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let before = machine.hardware.executed();
        machine.hardware.time_out(1);
        running.unit.queue.submit(&requests(5)).unwrap();
        assert_eq!(machine.hardware.executed() - before, 6 + 6);
        running.unit.queue.submit(&requests(5)).unwrap();
        assert_eq!(machine.hardware.executed() - before, 6 + 6 + 6);
    }
}

#[test]
fn a_unit_that_does_not_answer_is_given_up() {
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    machine.hardware.hang(usize::MAX);
    assert_eq!(running.unit.queue.submit(&requests(3)), Err(ETIMEDOUT));
    assert_eq!(running.unit.queue.submit(&requests(3)), Err(EIO));
}

#[test]
fn submitters_do_not_disturb_each_other() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 400;
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    let before = machine.hardware.executed();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (machine, running) = (&machine, &running);
            scope.spawn(move || {
                let _entered = machine.enter();
                for round in 0..ROUNDS {
                    let count = 1 + (round + thread) % 24;
                    running.unit.queue.submit(&requests(count)).unwrap();
                    if round % 50 == thread {
                        machine.hardware.refuse(&REPLACEABLE);
                    }
                    if round % 50 == thread + 25 {
                        machine.hardware.refuse(&[]);
                    }
                }
            });
        }
    });
    let expected: usize = (0..THREADS)
        .flat_map(|thread| (0..ROUNDS).map(move |round| 2 + (round + thread) % 24))
        .sum();
    assert_eq!(machine.hardware.executed() - before, expected as u64);
}

#[test]
fn a_full_ring_is_waited_for() {
    // With 25 slots each, more than the 255 that can be in use.
    const THREADS: u64 = 16;
    let config = Config::default();
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    for _ in 0..10 {
        let before = machine.hardware.executed();
        // Long enough for all of them to begin.
        machine.hardware.hang(100_000);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let _entered = machine.enter();
                    running.unit.queue.submit(&requests(24)).unwrap();
                });
            }
        });
        assert_eq!(machine.hardware.executed() - before, THREADS * 25);
    }
}

/// Batches that fill the ring to the last slot but the one that stays free, and batches for which
/// one slot is wanting. Each interrupts the wait for the one before it.
#[test]
fn a_ring_is_filled_to_its_end() {
    // Slots of the batches before the last one. That has 25, and 255 can be in use.
    for taken in [229, 230, 231] {
        let config = Config::default();
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        // One slot more than requests, for the wait.
        let send = |slots: u64| {
            let unit = running.unit.clone();
            move || unit.queue.submit(&requests(slots as usize - 1)).unwrap()
        };
        let mut used = 25;
        while used < taken {
            let slots = (taken - used).min(25);
            used += slots;
            machine.interrupt(0, send(slots));
        }
        machine.interrupt(0, send(25));
        let hardware = machine.hardware.clone();
        machine.interrupt(20, move || hardware.hang(0));

        let before = machine.hardware.executed();
        machine.hardware.hang(usize::MAX);
        send(25)();
        assert_eq!(machine.hardware.executed() - before, taken + 25);
    }
}
