// SPDX-License-Identifier: GPL-2.0

//! Units that are not for us: refused, in words, and left alone.

use crate::machine::Machine;
use kernel::{
    prelude::*,
    print, //
};
use vtd_model::config::Config;

/// The words with which the unit is refused; `None` if it is taken.
fn refusal(config: Config) -> Option<String> {
    let machine = Machine::new(config);
    print::capture();
    let claimed = machine.claim(config.host_bits).map(drop);
    let told = print::captured();
    assert!(!machine.hardware.is_translating());
    match claimed {
        Ok(()) => None,
        Err(e) => {
            assert_eq!(e, ENODEV);
            let [line] = &told[..] else {
                panic!("one refusal, one line: {told:?}");
            };
            Some(line.clone())
        }
    }
}

#[test]
fn a_unit_that_lacks_something_is_told_what() {
    let base = Config::default();
    let cases = [
        (Config { ..base }, None),
        (
            Config {
                scalable: Some(true),
                ..base
            },
            None,
        ),
        (
            Config {
                scalable: Some(false),
                ..base
            },
            Some("ECAP_REG.SSTS"),
        ),
        (Config { sagaw: 0, ..base }, Some("CAP_REG.SAGAW")),
        // Two levels, and six: reserved.
        (
            Config {
                sagaw: 0b10001,
                ..base
            },
            Some("CAP_REG.SAGAW"),
        ),
    ];
    for (config, expected) in cases {
        match (refusal(config), expected) {
            (None, None) => (),
            (Some(line), Some(word)) => assert!(line.contains(word), "{line}"),
            other => panic!("{config:?}: {other:?}"),
        }
    }
}
