// SPDX-License-Identifier: GPL-2.0

//! RCU: grace periods are as short as they may be, and order no more than they must.
//!
//! What a removed value's callback does comes after all that readers do who began before. Who begins
//! to read after that sees all that was written before the value was removed. Nothing else is
//! ordered: to begin to read is no barrier.
//!
//! All threads of a model are run by one thread of the host; models of several tests do not meet.

use crate::bindings::callback_head;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{
        Acquire,
        Relaxed,
        Release, //
    }, //
};
use std::{
    cell::RefCell,
    rc::Rc, //
};

type Callback = unsafe extern "C" fn(*mut callback_head);

#[derive(Default)]
struct State {
    readers: usize,
    /// Callbacks that wait for readers.
    callbacks: Vec<(*mut callback_head, Callback)>,
    /// Callbacks that were called.
    called: usize,
    order: Option<Rc<Order>>,
}

/// Words by which order is made. Their values are of no use.
struct Order {
    /// From who removes to who begins to read after the grace period.
    removed: AtomicUsize,
    /// From who has read to the callback.
    read: AtomicUsize,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// To be called first in each model.
pub fn start() {
    let order = Order {
        removed: AtomicUsize::new(0),
        read: AtomicUsize::new(0),
    };
    STATE.set(State {
        order: Some(Rc::new(order)),
        ..State::default()
    });
}

/// How many callbacks were called, and how many were not.
pub fn callbacks() -> (usize, usize) {
    STATE.with_borrow(|state| (state.called, state.callbacks.len()))
}

/// The state is not borrowed for longer: loom may go on with another thread in each access to a word.
fn order() -> Rc<Order> {
    STATE
        .with_borrow(|state| state.order.clone())
        .expect("a model begins with `rcu::start`")
}

/// Keeps alive what can be found.
pub struct Guard(());

/// Begins to read.
pub fn read_lock() -> Guard {
    // Orders nothing, but has loom try it before and after a removal.
    order().removed.load(Relaxed);
    let is_after_grace_period = STATE.with_borrow_mut(|state| {
        state.readers += 1;
        state.called != 0
    });
    if is_after_grace_period {
        order().removed.fetch_add(0, Acquire);
    }
    Guard(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        order().read.fetch_add(0, Release);
        STATE.with_borrow_mut(|state| state.readers -= 1);
        run();
    }
}

/// `call_rcu()`: calls `callback` with `head` once all who read now have ended.
///
/// # Safety
///
/// `callback` may be called with `head`, then.
pub unsafe fn call_rcu(head: *mut callback_head, callback: Option<Callback>) {
    order().removed.fetch_add(0, Release);
    let callback = callback.expect("there is a callback");
    STATE.with_borrow_mut(|state| state.callbacks.push((head, callback)));
    run();
}

/// `rcu_barrier()`: waits until all callbacks were called.
///
/// # Safety
///
/// None is needed; C functions are unsafe to call.
pub unsafe fn rcu_barrier() {
    while callbacks().1 != 0 {
        loom::thread::yield_now();
        run();
    }
}

/// `synchronize_rcu()`: waits until all who read now have ended.
///
/// # Safety
///
/// None is needed; C functions are unsafe to call.
pub unsafe fn synchronize_rcu() {
    order().removed.fetch_add(0, Release);
    while STATE.with_borrow(|state| state.readers) != 0 {
        loom::thread::yield_now();
    }
    order().read.fetch_add(0, Acquire);
}

fn run() {
    // Readers that began after the removal are not told apart: they are waited for, too.
    let due = STATE.with_borrow_mut(|state| {
        if state.readers != 0 {
            return Vec::new();
        }
        state.called += state.callbacks.len();
        std::mem::take(&mut state.callbacks)
    });
    if !due.is_empty() {
        order().read.fetch_add(0, Acquire);
    }
    for (head, callback) in due {
        // SAFETY: By the requirement of `call_rcu`.
        unsafe { callback(head) };
    }
}
