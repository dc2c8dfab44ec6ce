// SPDX-License-Identifier: GPL-2.0

//! Random maps, unmaps and lookups against the model.

use iommu_core::table::PageSizes;
use pgtable::table::Config;
use proptest::{
    collection::vec,
    prelude::*, //
};
use tests::{
    random::{
        Numbers,
        Op, //
    },
    watched::{
        config,
        Watched,
        SIZE_1G,
        SIZE_2M,
        SIZE_4K, //
    },
};

/// The tables that are tried.
fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    for levels in 3..=5 {
        for coherent in [true, false] {
            configs.push(config(levels, coherent));
        }
    }
    for page_sizes in [SIZE_4K, SIZE_4K | SIZE_2M, SIZE_4K | SIZE_1G] {
        configs.push(Config {
            page_sizes: PageSizes(page_sizes),
            ..config(4, false)
        });
    }
    // A guest address width less than the tables could do, and the widest host addresses.
    configs.push(Config {
        input_bits: 39,
        output_bits: 52,
        snoop_control: false,
        ..config(4, false)
    });
    configs
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = any::<(u8, u8, u16, u8, u16, u8)>().prop_map(
        |(kind, place, offset, size, count, extra)| Op {
            kind,
            place,
            offset,
            size,
            count,
            extra,
        },
    );
    vec(op, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_few_operations(which in 0..configs().len(), ops in ops()) {
        let mut watched = Watched::new(configs()[which]);
        for op in ops {
            op.run(&mut watched);
            watched.check();
        }
    }
}

/// A seed from the environment, to repeat a run that failed.
fn seed() -> u64 {
    let given = std::env::var("PGTABLE_SEED").ok();
    given.map_or(0x5eed, |seed| {
        seed.parse().expect("PGTABLE_SEED is a number")
    })
}

#[test]
fn many_operations() {
    let seed = seed();
    println!("PGTABLE_SEED={seed} gives this run");
    std::thread::scope(|scope| {
        for (config, seed) in configs().into_iter().zip(seed..) {
            // A panic names its thread.
            std::thread::Builder::new()
                .name(format!("{config:?}"))
                .spawn_scoped(scope, move || many_operations_on(config, seed))
                .expect("a thread starts");
        }
    });
}

fn many_operations_on(config: Config, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut watched = Watched::new(config);
    let mut most = 0;
    for turn in 0..4000 {
        numbers.op().run(&mut watched);
        if turn % 16 == 0 {
            most = most.max(watched.check().leaves.len());
        }
    }
    // The run is worth something only if there was something in the table.
    assert!(most > 500, "at most {most} leaves");
}
