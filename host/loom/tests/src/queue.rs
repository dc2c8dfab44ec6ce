// SPDX-License-Identifier: GPL-2.0

//! The invalidation queue of the VT-d driver: the words that are polled without its lock.
//!
//! CPUs each send a request and wait for it, and use memory again once they are told that it is
//! complete. One more thread is the unit, and, when the unit has sent an interrupt, its handler.

use crate::{
    explore,
    explore_within, //
};
use kernel::prelude::GFP_KERNEL;
use kernel::{
    error::code::EIO,
    print,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};
use loom::thread;
use vtd::{
    unit::{
        run_as,
        Descriptor,
        QUEUE_ERROR,
        TIMEOUT, //
    },
    Queue,
    Request, //
};

/// The queue, its unit, and what became of the requests.
struct Setup {
    queue: Queue,
    /// Whether the unit has carried out a request. Not ordered by itself: who sends the request must
    /// see it by what the queue tells.
    effects: [Atomic<bool>; 2],
}

impl Setup {
    /// For so many CPUs.
    fn new(cpus: usize) -> Arc<Self> {
        print::capture();
        let setup = Self {
            queue: Queue::new(cpus),
            effects: [false, false].map(Atomic::new),
        };
        Arc::new(setup, GFP_KERNEL).unwrap()
    }

    /// Sends a request. Whether it was carried out.
    fn submit(&self, who: usize) -> Result<(), kernel::error::Error> {
        run_as(who);
        let request = [Request::Contexts, Request::Translations][who];
        let result = self.queue.submit(request);
        if result.is_ok() {
            let is_done = self.effects[who].load(Relaxed);
            assert!(is_done, "told to be complete before the unit is done");
        }
        result
    }

    fn must_succeed(&self, who: usize) {
        self.submit(who).unwrap();
        self.queue.unit.finish();
    }

    fn must_fail(&self, who: usize) {
        assert_eq!(self.submit(who), Err(EIO));
    }

    /// Takes descriptors as long as somebody waits, and calls `wait` for each wait with what came
    /// before it.
    fn serve(&self, mut wait: impl FnMut(&[Descriptor], u64, u32)) {
        let unit = &self.queue.unit;
        let mut taken = Vec::new();
        loop {
            let count = unit.waiting();
            if count == 0 {
                return;
            }
            for _ in 0..count {
                match unit.take() {
                    Descriptor::Wait { address, data } => {
                        wait(&taken, address, data);
                        taken.clear();
                    }
                    request => taken.push(request),
                }
            }
        }
    }

    /// The unit has carried out what comes before a wait, and says so.
    fn complete(&self, taken: &[Descriptor], address: u64, data: u32) {
        for request in taken {
            let who = usize::from(*request == Descriptor::Translations);
            self.effects[who].store(true, Relaxed);
        }
        self.queue.unit.write_status(address, data);
    }

    /// The unit reports an error, and sends an interrupt.
    fn interrupt(&self, error: u64) {
        self.queue.unit.report(error);
        self.queue.recover();
        self.queue.unit.change();
        assert!(!self.queue.unit.is_stopped(), "the error stays");
    }
}

/// Runs so many CPUs, 1 or 2, and the unit. There are more orders than can be tried: those with more
/// than two preemptions are left out.
fn explore_beside_unit(name: &str, cpus: usize, cpu: fn(&Setup, usize), unit: fn(&Setup)) {
    explore_within(Some(2), name, move || {
        let setup = Setup::new(cpus);
        let mut threads = Vec::new();
        for number in 1..cpus {
            let setup = setup.clone();
            threads.push(thread::spawn(move || cpu(&setup, number)));
        }
        let beside = setup.clone();
        threads.push(thread::spawn(move || unit(&beside)));
        cpu(&setup, 0);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Who sees that a batch is complete sees what the unit did before.
#[test]
fn queue_completes() {
    explore_beside_unit("queue completes", 2, Setup::must_succeed, |setup| {
        setup.serve(|taken, address, data| setup.complete(taken, address, data));
    });
}

/// A device does not answer, and the unit drops what it has taken. Who sees the batch complete sees
/// that it has timed out, and sends it again.
fn time_out(name: &str, cpus: usize) {
    explore_beside_unit(name, cpus, Setup::must_succeed, |setup| {
        let mut has_dropped = false;
        setup.serve(|taken, address, data| {
            if has_dropped {
                return setup.complete(taken, address, data);
            }
            has_dropped = true;
            setup.interrupt(TIMEOUT);
        });
    });
}

#[test]
fn queue_times_out() {
    time_out("queue times out", 1);
}

/// The batch of the other CPU may be complete already, or taken, or not even sent.
#[test]
fn queue_times_out_for_two() {
    time_out("queue times out for two", 2);
}

/// A unit is given up. Who waits for it does not wait for ever, and who comes later does not wait at
/// all.
#[test]
fn queue_is_given_up() {
    explore("queue is given up", || {
        let setup = Setup::new(2);
        let other = setup.clone();
        let thread = thread::spawn(move || other.must_fail(1));
        setup.queue.give_up();
        setup.queue.unit.rest();
        setup.must_fail(0);
        thread.join().unwrap();
    });
}

/// A unit refuses a wait, which nothing can take the place of, and is given up. It finds nothing more
/// to do then, and who waits is told.
#[test]
fn queue_is_given_up_by_the_handler() {
    let twice = |setup: &Setup, who| {
        setup.must_fail(who);
        setup.must_fail(who);
        setup.queue.unit.finish();
    };
    explore_beside_unit("queue is given up by the handler", 1, twice, |setup| {
        let unit = &setup.queue.unit;
        assert_eq!(unit.waiting(), 2);
        unit.take();
        setup.interrupt(QUEUE_ERROR);
        unit.rest();
        assert_eq!(unit.waiting(), 0, "the tail is moved after all");
    });
}
