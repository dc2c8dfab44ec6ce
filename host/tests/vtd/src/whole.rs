// SPDX-License-Identifier: GPL-2.0

//! Long runs of the whole driver, each on another unit. The seed decides what the unit can do and
//! what happens:
//!
//! - `RUST_IOMMU_MODEL_STEPS=n`: steps with each seed.
//! - `RUST_IOMMU_MODEL_SEED=n`: this seed and no other. One that fails says its number.
//! - `RUST_IOMMU_MODEL_FIRST=n`: the seeds from this one on, instead of those from 0 on.

use crate::{
    machine::Machine,
    random::Random,
    world::World, //
};
use iommu_ext::ratelimit;
use kernel::print;
use std::{
    io::Write,
    sync::atomic::{
        AtomicUsize,
        Ordering::Relaxed, //
    }, //
};
use vtd_model::config::Config;

/// Seeds of all tests together.
const SEEDS: u64 = 160;
/// Tests, which share the seeds.
const TESTS: u64 = 4;
/// Steps with each seed.
const STEPS: usize = 20_000;

/// What the unit can do, and whether there are errors. Two bits of the seed say what matters most.
fn choose(seed: u64) -> (Config, bool) {
    let mut random = Random::new(seed + 1);
    // SAGAW and MGAW: 3, 4 and 5 levels, and choices of which not all bits are used.
    let (sagaw, address_bits) = *random.of(&[
        (0b0010, 39),
        (0b0100, 48),
        (0b1000, 57),
        (0b0110, 46),
        (0b1100, 57),
        (0b1110, 57),
    ]);
    let coherent = seed & 1 == 0;
    let config = Config {
        coherent,
        caching_mode: seed & 2 != 0,
        write_buffer: random.percent(if coherent { 5 } else { 40 }),
        device_tlbs: random.percent(60),
        device_tlb_throttling: random.percent(50),
        pass_through: random.percent(70),
        snoop_control: random.percent(30),
        protected_memory: random.percent(50),
        drain: random.percent(80),
        sagaw,
        address_bits,
        large_pages: *random.of(&[0b00, 0b01, 0b11, 0b11]),
        // Masks that a large page does not fit into, too.
        page_selective: *random.of(&[None, Some(0), Some(7), Some(9), Some(16), Some(18)]),
        fault_records: 1 + random.below(4) as usize,
        domain_bits: *random.of(&[4, 6, 8, 16]),
        evict_one_in: *random.of(&[0, 0, 7, 100]),
        seed,
        ..Config::default()
    };
    (config, random.percent(40))
}

/// Says where a run has failed.
struct Progress {
    config: Config,
    has_errors: bool,
    step: usize,
}

impl Drop for Progress {
    fn drop(&mut self) {
        ratelimit::hold_back(false);
        if std::thread::panicking() {
            let Self {
                config,
                has_errors,
                step,
            } = self;
            eprintln!(
                "step {step}, errors: {has_errors}, {config:?}\n\
                 RUST_IOMMU_MODEL_SEED={} repeats it",
                config.seed
            );
        }
    }
}

fn run(seed: u64, steps: usize) {
    print::capture();
    // Who has faulted is not told: there are many.
    ratelimit::hold_back(true);
    let (config, has_errors) = choose(seed);
    let mut progress = Progress {
        config,
        has_errors,
        step: 0,
    };
    let machine = Machine::new(config);
    let mut world = World::new(&machine, config, has_errors);
    for step in 0..steps {
        progress.step = step;
        world.step();
        let lines = print::captured();
        // Of devices that lose a request.
        let is_expected =
            |line: &String| world.has_reason() && line.contains("its TLB cannot be invalidated");
        let complaint = lines
            .iter()
            .find(|line| line.starts_with("error") && !is_expected(line));
        assert_eq!(complaint, None);
    }
    world.end();
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}: '{value}' is not a number")))
}

/// With commas.
fn readable(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        more => format!("{},{:03}", readable(more), number % 1000),
    }
}

/// Runs the seeds of one test.
fn run_all(test: u64, name: &str) {
    static ALL_STEPS: AtomicUsize = AtomicUsize::new(0);
    static ALL_SEEDS: AtomicUsize = AtomicUsize::new(0);

    let steps = number("RUST_IOMMU_MODEL_STEPS").map_or(STEPS, |steps| steps as usize);
    let seeds: Vec<u64> = match number("RUST_IOMMU_MODEL_SEED") {
        Some(seed) => vec![seed],
        None => {
            let first = number("RUST_IOMMU_MODEL_FIRST").unwrap_or(0);
            (first..first + SEEDS).collect()
        }
    };
    let mut count = 0;
    for seed in seeds.into_iter().filter(|seed| seed % TESTS == test) {
        run(seed, steps);
        count += 1;
    }
    let all_steps = ALL_STEPS.fetch_add(count * steps, Relaxed) + count * steps;
    let all_seeds = ALL_SEEDS.fetch_add(count, Relaxed) + count;
    // Not through `println!`, whose output of tests that pass is not shown.
    let _ = writeln!(
        std::io::stdout(),
        "{name}: {} steps, {count} seeds; in all so far {} steps, {all_seeds} seeds",
        readable(count * steps),
        readable(all_steps)
    );
}

#[test]
fn coherent() {
    run_all(0, "coherent");
}

#[test]
fn not_coherent() {
    run_all(1, "not coherent");
}

#[test]
fn coherent_in_caching_mode() {
    run_all(2, "coherent in caching mode");
}

#[test]
fn not_coherent_in_caching_mode() {
    run_all(3, "not coherent in caching mode");
}
