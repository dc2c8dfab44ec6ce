// SPDX-License-Identifier: GPL-2.0

//! RCU: what is removed is freed when nobody reads any more. Each machine has its own readers.

use crate::{
    context::{
        self,
        Reason, //
    },
    machine, //
};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

type Callback = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    readers: usize,
    callbacks: Vec<Callback>,
}

/// By the number of the machine.
static STATES: Mutex<BTreeMap<usize, State>> = Mutex::new(BTreeMap::new());

fn states() -> MutexGuard<'static, BTreeMap<usize, State>> {
    STATES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps alive what can be found.
pub struct Guard {
    machine: usize,
    reason: Option<Reason>,
}

/// Begins to read.
pub fn read_lock() -> Guard {
    let machine = machine::number();
    states().entry(machine).or_default().readers += 1;
    Guard {
        machine,
        reason: Some(Reason::atomic()),
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Callbacks, which run below, have a thread of their own in the kernel.
        self.reason = None;
        if let Some(state) = states().get_mut(&self.machine) {
            state.readers -= 1;
        }
        run(self.machine);
    }
}

/// Calls `callback` once all who read now have ended.
pub fn call(callback: impl FnOnce() + Send + 'static) {
    let machine = machine::number();
    let mut states = states();
    let state = states.entry(machine).or_default();
    state.callbacks.push(Box::new(callback));
    drop(states);
    run(machine);
}

/// Waits until all callbacks were called.
#[track_caller]
pub fn barrier() {
    context::sleeps();
    let machine = machine::number();
    let is_done = || {
        states()
            .get(&machine)
            .is_none_or(|state| state.callbacks.is_empty())
    };
    while !is_done() {
        std::thread::yield_now();
        run(machine);
    }
}

fn run(machine: usize) {
    let callbacks = match states().get_mut(&machine) {
        Some(state) if state.readers == 0 => std::mem::take(&mut state.callbacks),
        _ => return,
    };
    callbacks.into_iter().for_each(|callback| callback());
}
