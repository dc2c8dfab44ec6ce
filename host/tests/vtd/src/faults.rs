// SPDX-License-Identifier: GPL-2.0

//! Refused requests: what is recorded is reported, in the right words.

use crate::{
    invalidate::descriptor::Descriptor,
    machine::{
        Machine,
        Running, //
    },
    tables::context::DomainId, //
};
use iommu_core::instance::Tag;
use kernel::{
    machine,
    prelude::*,
    print,
    processor::cpu_relax,
    str::CString, //
};
use vtd_model::{
    config::Config,
    fault::{
        Fault,
        Reason, //
    },
    queue::Refusal, //
};

/// The lines of the log about refused requests.
fn reports() -> Vec<String> {
    let lines = print::captured().into_iter();
    lines.filter(|line| line.contains("fault: ")).collect()
}

fn running(config: &Config) -> (Machine, Running) {
    print::capture();
    let machine = Machine::new(*config);
    let running = Running::new(&machine, config);
    print::captured();
    (machine, running)
}

/// What every report of `fault` says, the reason left out.
fn expected(fault: &Fault, device: &str) -> String {
    let Fault {
        sid,
        address,
        write,
        ..
    } = *fault;
    format!(
        "error: dmar0: fault: {device} (requester {:02x}:{:02x}.{}), {} at IOVA {:#x}: ",
        sid >> 8,
        sid >> 3 & 31,
        sid & 7,
        if write { "write" } else { "read" },
        address >> 12 << 12,
    )
}

#[test]
fn every_reason_is_told_with_who_where_and_what() {
    let config = Config::default();
    let (machine, running) = running(&config);
    let mut ids = KVec::new();
    ids.push(0x12fd, GFP_KERNEL).unwrap();
    let name = CString::try_from(c"0000:12:1f.5").unwrap();
    let endpoint = running.instance.probe(name, ids, None, None).unwrap();

    let mut words = Vec::new();
    for reason in Reason::ALL {
        for (sid, device) in [
            (0x12fd, "0000:12:1f.5"),
            (0x0008, "a device that is not known"),
        ] {
            for (address, write) in [(0x1234_5678_9abc, true), (0, false), (u64::MAX, false)] {
                let fault = Fault {
                    sid,
                    address,
                    write,
                    reason,
                };
                machine.hardware.inject(&fault);
                cpu_relax();
                let [line] = &reports()[..] else {
                    panic!("one fault, one report: {fault:x?}");
                };
                let rest = line.strip_prefix(&expected(&fault, device)).expect(line);
                let code = format!(" (code {:#04x})\n", reason as u8);
                words.push(rest.strip_suffix(&code).expect(line).to_string());
            }
        }
    }
    // The same words for the same reason only.
    for (index, chunk) in words.chunks(6).enumerate() {
        assert!(chunk
            .iter()
            .all(|word| *word == chunk[0] && !word.contains("not known")));
        assert!(!words[..index * 6].contains(&chunk[0]));
    }
    running.instance.release(&endpoint);
}

#[test]
fn all_that_is_recorded_is_reported_in_order() {
    for fault_records in 1..6 {
        let config = Config {
            fault_records,
            ..Config::default()
        };
        let (machine, _running) = running(&config);
        for round in 0..50 {
            let count = 1 + round % fault_records;
            let faults: Vec<Fault> = (0..count)
                .map(|i| {
                    machine
                        .hardware
                        .dma(i as u16, 0x1000 * i as u64, false)
                        .unwrap_err()
                })
                .collect();
            cpu_relax();
            let reports = reports();
            assert_eq!(reports.len(), count);
            for (fault, line) in faults.iter().zip(&reports) {
                assert!(
                    line.starts_with(&expected(fault, "a device that is not known")),
                    "{line}"
                );
            }
        }
    }
}

#[test]
fn an_overflow_is_told_and_ends() {
    for fault_records in 1..4 {
        let config = Config {
            fault_records,
            ..Config::default()
        };
        let (machine, _running) = running(&config);
        for _ in 0..20 {
            for i in 0..10 {
                let _ = machine.hardware.dma(i, 0x1000, false);
            }
            cpu_relax();
            let lines = print::captured();
            let told = lines
                .iter()
                .filter(|line| line.contains("FSTS_REG.PFO"))
                .count();
            assert_eq!((lines.len(), told), (fault_records + 1, 1), "{lines:?}");
            // What comes after it is told again.
            let fault = machine.hardware.dma(0x0700, 0x2000, true).unwrap_err();
            cpu_relax();
            assert!(reports()[0].starts_with(&expected(&fault, "a device that is not known")));
        }
    }
}

fn fault_of(sid: u16) -> Fault {
    Fault {
        sid,
        address: 0x1000 * u64::from(sid),
        write: true,
        reason: Reason::Write,
    }
}

/// Has the unit refuse a descriptor, and record `fault` while it has stopped.
fn fault_across_an_error(machine: &Machine, running: &Running, fault: &Fault) {
    machine.hardware.refuse(&[Refusal {
        kind: 1,
        granularity: 3,
    }]);
    machine.hardware.inject_on_error(fault);
    let did = DomainId::of(Tag(3)).unwrap();
    let request = Descriptor::ContextDevice { did, sid: 3 };
    running.unit.queue.submit(&[request]).unwrap();
}

/// While the queue is in error, a fault is no reason for an interrupt of its own (11.4.7,
/// FECTL_REG.IP). It is reported nevertheless, and so are those after it.
#[test]
fn faults_are_reported_across_an_error_of_the_queue() {
    for round in 1..20 {
        let config = Config {
            seed: round.into(),
            ..Config::default()
        };
        let (machine, running) = running(&config);
        fault_across_an_error(&machine, &running, &fault_of(round));
        machine.hardware.inject(&fault_of(round + 1));
        cpu_relax();
        assert_eq!(reports().len(), 2);
    }
}

/// As above, where the CPU that waits for the queue takes no interrupts, and so clears the error.
#[test]
fn faults_are_reported_after_an_error_that_the_submitter_has_cleared() {
    let config = Config::default();
    let (machine, running) = running(&config);
    machine::disable_interrupts();
    fault_across_an_error(&machine, &running, &fault_of(1));
    machine::restore_interrupts();
    assert_eq!(reports().len(), 1);
    machine.hardware.inject(&fault_of(2));
    cpu_relax();
    assert_eq!(reports().len(), 1);
}

#[test]
fn faults_are_reported_after_the_queue_was_given_up() {
    let config = Config::default();
    let (machine, running) = running(&config);
    machine.hardware.refuse(&[Refusal {
        kind: 2,
        granularity: 1,
    }]);
    let request = Descriptor::IotlbGlobal;
    assert_eq!(running.unit.queue.submit(&[request]), Err(EIO));
    machine.hardware.inject(&fault_of(1));
    cpu_relax();
    assert_eq!(reports().len(), 1);
}

/// What another kernel has left in FSTS_REG does not keep the unit from sending its event.
#[test]
fn an_error_that_was_left_behind_is_cleared() {
    print::capture();
    let config = Config::default();
    let machine = Machine::new(config);
    machine.hardware.leave_error();
    let _running = Running::new(&machine, &config);
    print::captured();
    machine.hardware.inject(&fault_of(1));
    cpu_relax();
    assert_eq!(reports().len(), 1);
}
