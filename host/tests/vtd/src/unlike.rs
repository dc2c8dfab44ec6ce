// SPDX-License-Identifier: GPL-2.0

//! Units that differ: which tables of one another can walk. An integrated graphics unit that does
//! not snoop sits beside a coherent one on many machines.
//!
//! What a unit must refuse is worked out from what the two can do, not from the table.

use crate::machine::{
    Machine,
    Running, //
};
use iommu_core::{
    driver::Driver,
    endpoint::Endpoint,
    route::{
        Pasid,
        Route, //
    },
    table::Descriptor, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};
use vtd_model::config::Config;

/// Units of which no two are alike.
fn kinds() -> Vec<Config> {
    let plain = Config::default();
    vec![
        plain,
        Config {
            coherent: false,
            ..plain
        },
        Config {
            snoop_control: true,
            ..plain
        },
        Config {
            caching_mode: true,
            ..plain
        },
        Config {
            write_buffer: true,
            ..plain
        },
        Config {
            large_pages: 0b01,
            ..plain
        },
        Config {
            large_pages: 0b00,
            ..plain
        },
        // 3 levels.
        Config {
            sagaw: 0b0010,
            address_bits: 39,
            ..plain
        },
        // 4 levels, of which not all bits are used.
        Config {
            sagaw: 0b0100,
            address_bits: 46,
            ..plain
        },
        // 4 and 5 levels.
        Config {
            sagaw: 0b1100,
            address_bits: 57,
            ..plain
        },
        // 5 levels.
        Config {
            sagaw: 0b1000,
            address_bits: 57,
            ..plain
        },
    ]
}

/// Levels of the tables that a unit makes.
fn levels(unit: &Config) -> u8 {
    match unit.sagaw {
        0b0010 => 3,
        0b1000 => 5,
        _ => 4,
    }
}

/// Width of the addresses that these translate.
fn input_bits(unit: &Config) -> u8 {
    unit.address_bits.min(12 + 9 * levels(unit))
}

fn must_be_told_of_mappings(unit: &Config) -> bool {
    unit.caching_mode || unit.write_buffer
}

/// Whether `unit` can walk a table that `maker` has made.
fn can_walk(unit: &Config, maker: &Config) -> bool {
    let has_levels = unit.sagaw & 1 << (levels(maker) - 2) != 0;
    let takes_addresses = input_bits(maker) <= unit.address_bits;
    let has_page_sizes = maker.large_pages & !unit.large_pages == 0;
    // In entries of others the bit is reserved.
    let forces_snooping = !maker.snoop_control || unit.snoop_control;
    let is_written_back = unit.coherent || !maker.coherent;
    let is_told = must_be_told_of_mappings(maker) || !must_be_told_of_mappings(unit);
    has_levels && takes_addresses && has_page_sizes && forces_snooping && is_written_back && is_told
}

/// Runs a unit with one device.
fn with_unit<T>(config: &Config, f: impl FnOnce(&Running, &Arc<Endpoint>) -> T) -> T {
    let machine = Machine::new(*config);
    let running = Running::new(&machine, config);
    let mut ids = KVec::new();
    ids.push(0x10, GFP_KERNEL).unwrap();
    let name = CString::try_from(c"0000:00:02.0").unwrap();
    let endpoint = running.instance.probe(name, ids, None, None).unwrap();
    let result = f(&running, &endpoint);
    running.instance.release(&endpoint);
    result
}

/// What a unit says of its tables.
fn table_of(config: &Config) -> Descriptor {
    with_unit(config, |running, endpoint| {
        let table = running.unit.alloc_table(endpoint).unwrap();
        *table.descriptor()
    })
}

#[test]
fn a_unit_refuses_tables_that_it_cannot_walk() {
    let kinds = kinds();
    let tables: Vec<Descriptor> = kinds.iter().map(table_of).collect();
    for config in &kinds {
        with_unit(config, |running, endpoint| {
            for (maker, table) in kinds.iter().zip(&tables) {
                let expected = match can_walk(config, maker) {
                    true => Ok(()),
                    false => Err(EINVAL),
                };
                let prepared = running.unit.prepare(endpoint, Route::Rid, table);
                assert_eq!(prepared, expected, "{config:?} a table of {maker:?}");
                // Legacy mode has no PASIDs.
                let pasid = Route::Pasid(Pasid::new(1).unwrap());
                let prepared = running.unit.prepare(endpoint, pasid, table);
                assert_eq!(prepared, Err(EINVAL));
            }
        });
    }
}

#[test]
fn a_unit_refuses_a_format_that_is_not_its_own() {
    let config = Config::default();
    let table = Descriptor {
        format: c"arm_stage_2",
        ..table_of(&config)
    };
    with_unit(&config, |running, endpoint| {
        let prepared = running.unit.prepare(endpoint, Route::Rid, &table);
        assert_eq!(prepared, Err(EINVAL));
    });
}
