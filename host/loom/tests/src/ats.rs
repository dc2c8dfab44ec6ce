// SPDX-License-Identifier: GPL-2.0

//! Device TLBs that join and leave a domain, or are given up, while something is unmapped.
//!
//! What must not happen: a translation that the device keeps when the invalidation has returned, an
//! invalidation sent to a device whose ATS is off, or an entry that lets a device ask which was given
//! up.

use crate::{
    explore,
    machine::{
        Setup,
        Tlb,
        READS, //
    },
    walker::PAGE, //
};
use iommu_ext::addr::Iova;
use kernel::{
    print,
    sync::Arc, //
};
use loom::thread;

/// Runs `attach` beside an unmap, where the device has a TLB.
fn beside_unmap(name: &str, tlb: Tlb, before: fn(&Setup), attach: fn(&Setup)) {
    let setup = move || {
        let setup = Setup::new(tlb, 4);
        before(&setup);
        setup
    };
    beside_unmap_in(name, setup, attach);
}

/// As [`beside_unmap`], in a machine made by `setup`.
fn beside_unmap_in(
    name: &str,
    setup: impl Fn() -> Arc<Setup> + Send + Sync + 'static,
    attach: fn(&Setup),
) {
    explore(name, move || {
        print::capture();
        let setup = setup();
        let other = setup.clone();
        let thread = thread::spawn(move || other.unmap(READS, PAGE));
        attach(&setup);
        thread.join().unwrap();
        assert!(!setup.unit.device.is_let_in_again());
        setup.end();
    });
}

/// Either the unmap finds the device TLB, or the device does not find the leaf.
#[test]
fn device_tlb_joins_beside_unmap() {
    beside_unmap(
        "device TLB joins beside unmap",
        Tlb::Answers,
        |_| {},
        Setup::attach_to_domain,
    );
}

/// The same, in a domain that another device is in. While the unmap waits, the unit still has what
/// that device has read: the device that joins is not answered from there.
#[test]
fn device_tlb_joins_a_domain_in_use_beside_unmap() {
    beside_unmap_in(
        "device TLB joins a domain in use beside unmap",
        || Setup::shared(Tlb::Answers, 4),
        Setup::attach_to_domain,
    );
}

/// The unmap asks the device while its ATS is on, or not at all.
#[test]
fn device_tlb_leaves_beside_unmap() {
    beside_unmap(
        "device TLB leaves beside unmap",
        Tlb::Answers,
        Setup::attach_to_domain,
        Setup::detach,
    );
}

/// The unmap gives the device up. Either it finds the entry that is written, or who writes it finds
/// that the device is given up.
#[test]
fn device_is_given_up_beside_attach() {
    beside_unmap(
        "device is given up beside attach",
        Tlb::Silent,
        |_| {},
        Setup::attach_to_domain,
    );
}

/// Two unmaps wait for the device. Whoever passes over it relies on its entry.
#[test]
fn device_is_given_up_by_two() {
    explore("device is given up by two", || {
        print::capture();
        let setup = Setup::new(Tlb::Silent, 4);
        setup.attach_to_domain();
        let other = setup.clone();
        let unmap = |setup: &Setup, iova: Iova| {
            setup.unmap(iova, PAGE);
            assert!(!setup.unit.device.is_let_in_again(), "passed over too soon");
        };
        let thread = thread::spawn(move || unmap(&other, READS));
        unmap(&setup, Iova(0));
        thread.join().unwrap();
        setup.end();
    });
}
