// SPDX-License-Identifier: GPL-2.0

//! Devices of the ACPI namespace: the unit lets their DMA pass, and nothing else.

use crate::{
    machine::{
        Machine,
        Running, //
    },
    namespace, //
};
use kernel::print;
use vtd_model::config::Config;

/// 00:15.1, and the function beside it.
const SID: u16 = 0x00a9;
const OTHER: u16 = 0x00aa;

/// What the log says of the device, and where its DMA to 0x1234000 leads.
fn dma_of_a_device(pass_through: bool) -> (String, Option<u64>) {
    let config = Config {
        pass_through,
        ..Config::default()
    };
    let machine = Machine::new(config);
    let running = Running::new(&machine, &config);
    print::capture();
    namespace::let_pass(&running.unit, c"\\_SB.I2C1", SID).unwrap();
    let told = print::captured();
    let [line] = &told[..] else {
        panic!("one device, one line: {told:?}");
    };
    assert!(machine.hardware.dma(OTHER, 0x0123_4000, true).is_err());
    let led = machine.hardware.dma(SID, 0x0123_4000, true).ok();
    (line.clone(), led)
}

#[test]
fn dma_of_a_namespace_device_passes() {
    let (line, led) = dma_of_a_device(true);
    assert_eq!(led, Some(0x0123_4000));
    assert!(line.contains("\\_SB.I2C1 (requester 00:15.1) is no PCI device"));
    assert!(line.contains("passes untranslated"), "{line}");
}

#[test]
fn a_unit_that_cannot_pass_it_refuses_it() {
    let (line, led) = dma_of_a_device(false);
    assert_eq!(led, None);
    assert!(line.contains("ECAP_REG.PT"), "{line}");
}
