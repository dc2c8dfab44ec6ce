// SPDX-License-Identifier: GPL-2.0

//! What is done without a lock, in every order that threads and their memory allow.
//!
//! Each test is a model: a few calls in two threads. loom runs it until there is no other order of
//! accesses to shared words, and no other value that a load may see. How many executions that were
//! is printed. One would mean that the threads share no word that changes, and nothing was tried.

#![cfg(test)]

mod ats;
mod domain;
mod list;
mod machine;
mod queue;
mod walker;

use iommu_ext::memory;
use kernel::sync::rcu;
use std::{
    io::Write,
    sync::{
        atomic::{
            AtomicUsize,
            Ordering::Relaxed, //
        },
        Arc, //
    }, //
};

/// Runs `model` in every order and says how many there were. `LOOM_MAX_PREEMPTIONS=n` leaves out
/// those in which threads that could go on are stopped more than `n` times.
fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    explore_within(None, name, model);
}

/// As [`explore`], for a model that has too many orders: with no more than so many preemptions, if
/// the environment does not say another number.
fn explore_within(
    preemptions: Option<usize>,
    name: &str,
    model: impl Fn() + Send + Sync + 'static,
) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    // Who polls does so thousands of times.
    builder.max_branches = 100_000;
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        memory::start();
        rcu::start();
        model();
    });
    // Past the test harness, which would keep it to itself.
    let line = format!("loom: {name}: {} executions\n", executions.load(Relaxed));
    let _ = std::io::stderr().write_all(line.as_bytes());
}
