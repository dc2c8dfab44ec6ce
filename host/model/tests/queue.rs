// SPDX-License-Identifier: GPL-2.0

//! What the model refuses: descriptors bit by bit, by the figures of VT-d 6.5.2.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use vtd_model::{
    bus::{
        Bus,
        Found, //
    },
    config::Config,
    Unit, //
};

const RING: u64 = 0x10_0000;
const STATUS: u64 = 0x20_0000;

/// Some words of memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<u64, u64>>);

impl Memory {
    fn word(&self, address: u64) -> Found<u64> {
        let words = self.0.lock().unwrap();
        words
            .get(&address)
            .map_or(Found::Nothing, |word| Found::Value(*word))
    }

    fn put(&self, address: u64, word: u64) {
        self.0.lock().unwrap().insert(address, word);
    }
}

impl Bus for Memory {
    fn read(&self, address: u64, _: bool) -> Found<u64> {
        self.word(address)
    }

    fn read_pair(&self, address: u64, _: bool) -> Found<[u64; 2]> {
        match (self.word(address), self.word(address + 8)) {
            (Found::Value(low), Found::Value(high)) => Found::Value([low, high]),
            _ => Found::Nothing,
        }
    }

    fn write(&self, address: u64, value: u32) -> bool {
        self.put(address, value.into());
        true
    }
}

/// A unit with its queue on.
fn unit(config: Config) -> (Unit, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let unit = Unit::new(config, memory.clone());
    unit.write_register(0x88, 8, 0);
    unit.write_register(0x90, 8, RING);
    unit.write_register(0x18, 4, 1 << 26);
    while unit.read_register(0x1c, 4) >> 26 & 1 == 0 {
        unit.step();
    }
    (unit, memory)
}

/// Has the unit take one descriptor. The code of the error (IQERCD_REG.IQEI), if there is one.
fn refused(config: Config, words: [u64; 2]) -> Option<u64> {
    let (unit, memory) = unit(config);
    memory.put(RING, words[0]);
    memory.put(RING + 8, words[1]);
    unit.write_register(0x88, 8, 16);
    (0..1000).for_each(|_| unit.step());
    let [head, status] = [(0x80, 8), (0x34, 4)].map(|(at, size)| unit.read_register(at, size));
    let has_error = status >> 4 & 1 != 0;
    assert_eq!(head, if has_error { 0 } else { 16 });
    has_error.then(|| unit.read_register(0xb0, 8) & 0xf)
}

/// A valid descriptor, and the bits of each word that it may have set.
struct Valid {
    words: [u64; 2],
    bits: [u64; 2],
}

/// The bits from `low` up to `high`.
fn field(high: u32, low: u32) -> u64 {
    u64::MAX >> (63 - high) & u64::MAX << low
}

fn valid() -> [Valid; 4] {
    [
        Valid {
            words: [0x31, 0],
            bits: [field(49, 48) | field(47, 32) | field(31, 16), 0],
        },
        Valid {
            words: [0x32, 0],
            bits: [
                field(31, 16) | field(7, 6),
                field(63, 12) | field(6, 6) | field(3, 0),
            ],
        },
        Valid {
            words: [0x03, 0],
            bits: [field(47, 32) | field(20, 16), field(63, 12) | field(0, 0)],
        },
        Valid {
            words: [0x25, STATUS],
            bits: [field(63, 32), field(63, 2)],
        },
    ]
}

fn config() -> Config {
    Config {
        page_selective: Some(15),
        device_tlbs: true,
        ..Config::default()
    }
}

#[test]
fn what_is_reserved_must_be_clear() {
    for Valid { words, bits } in valid() {
        assert_eq!(refused(config(), words), None);
        for word in 0..2 {
            for bit in 0..64 {
                // Type and granularity, and flags that the driver must not use.
                let is_kind = word == 0 && (bit < 6 || (9..=11).contains(&bit));
                let is_fence = words[0] == 0x25 && word == 0 && (bit == 6 || bit == 7);
                if is_kind || is_fence {
                    continue;
                }
                let mut changed = words;
                changed[word] |= 1 << bit;
                let expected = (bits[word] >> bit & 1 == 0).then_some(4);
                assert_eq!(refused(config(), changed), expected, "{changed:x?}");
            }
        }
    }
}

#[test]
fn the_physical_function_is_reserved_without_throttling() {
    for bit in (12..16).chain(52..64) {
        let words = [0x03 | 1 << bit, 0];
        assert_eq!(refused(config(), words), Some(4));
        let throttling = Config {
            device_tlb_throttling: true,
            ..config()
        };
        assert_eq!(refused(throttling, words), None);
    }
}

#[test]
fn types_that_the_unit_does_not_have() {
    for kind in (0..0x80).filter(|kind| ![1, 2, 3, 5].contains(kind)) {
        let words = [kind & 0xf | kind >> 4 << 9 | 0x20, 0];
        assert_eq!(refused(config(), words), Some(3), "{kind:#x}");
    }
    let without = Config {
        device_tlbs: false,
        ..config()
    };
    assert_eq!(refused(without, [0x03, 0]), Some(3));
}

#[test]
fn granularities_and_masks() {
    for kind in [1, 2] {
        assert_eq!(refused(config(), [kind, 0]), Some(4));
        for granularity in 1..4 {
            assert_eq!(refused(config(), [kind | granularity << 4, 0]), None);
        }
    }
    assert_eq!(refused(config(), [0x32, 15]), None);
    assert_eq!(refused(config(), [0x32, 16]), Some(4));
    let without = Config {
        page_selective: None,
        ..config()
    };
    assert_eq!(refused(without, [0x32, 0]), Some(4));
}

#[test]
fn a_tail_beyond_the_ring_and_a_ring_beyond_memory() {
    let (unit, _) = unit(config());
    unit.write_register(0x88, 8, 4096);
    (0..1000).for_each(|_| unit.step());
    assert_eq!(unit.read_register(0xb0, 8) & 0xf, 1);
    // Nothing is there.
    let (unit, _) = self::unit(config());
    unit.write_register(0x88, 8, 16);
    (0..1000).for_each(|_| unit.step());
    assert_eq!(unit.read_register(0xb0, 8) & 0xf, 2);
}
