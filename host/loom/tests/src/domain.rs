// SPDX-License-Identifier: GPL-2.0

//! Domains that are attached and left while something is unmapped.
//!
//! What must not happen: a translation that is still cached when the invalidation has returned, or
//! a walk of tables that were freed.

use crate::{
    explore,
    machine::{
        Setup,
        Tlb,
        READS, //
    },
    walker::{
        PAGE,
        TABLE, //
    }, //
};
use iommu_ext::addr::Iova;
use loom::thread;

/// Runs `attach` beside an unmap, in a domain of which `count` pages are mapped.
fn beside_unmap(
    name: &str,
    count: usize,
    (iova, len): (Iova, u64),
    before: fn(&Setup),
    attach: fn(&Setup),
) {
    explore(name, move || {
        let setup = Setup::new(Tlb::None, count);
        before(&setup);
        let other = setup.clone();
        let thread = thread::spawn(move || other.unmap(iova, len));
        attach(&setup);
        thread.join().unwrap();
        setup.end();
    });
}

/// Either the unmap finds the attachment, or the device does not find the leaf.
#[test]
fn attach_beside_unmap() {
    beside_unmap(
        "attach beside unmap",
        4,
        (READS, PAGE),
        |_| {},
        Setup::attach_to_domain,
    );
}

/// The same, where the table goes, too.
#[test]
fn attach_beside_unmap_of_a_table() {
    beside_unmap(
        "attach beside unmap of a table",
        4,
        (Iova(0), TABLE),
        |_| {},
        Setup::attach_to_domain,
    );
}

/// The same, where a table goes with all those below it: the unit may be in any of them.
#[test]
fn attach_beside_unmap_of_a_tree() {
    beside_unmap(
        "attach beside unmap of a tree",
        16,
        (Iova(0), 4 * TABLE),
        |_| {},
        Setup::attach_to_domain,
    );
}

/// The same, where the attachment has stayed from before, and no route leads there.
#[test]
fn return_beside_unmap() {
    let before = |setup: &Setup| {
        setup.attach_to_domain();
        setup.detach();
    };
    beside_unmap(
        "return beside unmap",
        4,
        (READS, PAGE),
        before,
        Setup::attach_to_domain,
    );
}

/// The unmap still finds the attachment, or nothing is cached any more.
#[test]
fn detach_beside_unmap() {
    beside_unmap(
        "detach beside unmap",
        4,
        (READS, PAGE),
        Setup::attach_to_domain,
        Setup::detach,
    );
}
