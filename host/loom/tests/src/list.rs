// SPDX-License-Identifier: GPL-2.0

//! Lists that are read under RCU.

use crate::explore;
use iommu_ext::sync::rcu_list::RcuList;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    }, //
};
use loom::{
    cell::UnsafeCell,
    thread, //
};
use std::sync::atomic::{
    AtomicBool,
    Ordering::SeqCst, //
};

/// A value that knows whether it was dropped.
struct Value {
    number: u64,
    /// The same, in a word of loom's: who finds the value without having seen that it was written
    /// is found out.
    written: Atomic<u64>,
    is_dropped: AtomicBool,
    /// Read by who uses the value, written by who drops it: loom knows if one may not yet be done.
    uses: UnsafeCell<()>,
}

// SAFETY: Nothing is in the cell.
unsafe impl Sync for Value {}

impl Value {
    fn new(number: u64) -> Self {
        Self {
            number,
            written: Atomic::new(number),
            is_dropped: AtomicBool::new(false),
            uses: UnsafeCell::new(()),
        }
    }

    fn read(&self) -> u64 {
        assert_eq!(self.written.load(Relaxed), self.number);
        assert!(!self.is_dropped.load(SeqCst), "a dropped value is read");
        self.uses.with(|_| ());
        self.number
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(!self.is_dropped.swap(true, SeqCst), "dropped twice");
            self.uses.with_mut(|_| ());
        }
    }
}

/// The numbers on the list, read twice, so that something can happen in between.
fn read(list: &RcuList<Value>) -> Vec<u64> {
    let guard = rcu::read_lock();
    let values: Vec<&Value> = list.iter(&guard).collect();
    let numbers = values.iter().map(|value| value.read()).collect();
    values.iter().for_each(|value| {
        value.read();
    });
    numbers
}

fn with(numbers: &[u64]) -> Arc<RcuList<Value>> {
    let list = Arc::pin_init(RcuList::new(), GFP_KERNEL).unwrap();
    for &number in numbers.iter().rev() {
        list.push(Value::new(number)).unwrap();
    }
    list
}

#[test]
fn push_beside_read() {
    explore("push beside read", || {
        let list = with(&[2]);
        let reader = list.clone();
        let thread = thread::spawn(move || read(&reader));
        list.push(Value::new(1)).unwrap();
        let seen = thread.join().unwrap();
        assert!(seen == [2] || seen == [1, 2], "{seen:?}");
        assert_eq!(read(&list), [1, 2]);
    });
}

#[test]
fn remove_beside_read() {
    explore("remove beside read", || {
        let list = with(&[1, 2, 3]);
        let reader = list.clone();
        let thread = thread::spawn(move || read(&reader));
        list.remove(|value| value.number == 2);
        list.remove(|value| value.number == 1);
        let seen = thread.join().unwrap();
        assert!(
            seen == [1, 2, 3] || seen == [1, 3] || seen == [3],
            "{seen:?}"
        );
        assert_eq!(read(&list), [3]);
        assert_eq!(rcu::callbacks(), (2, 0));
    });
}

#[test]
fn writers_beside_each_other() {
    explore("push beside remove", || {
        let list = with(&[1]);
        let other = list.clone();
        let thread = thread::spawn(move || {
            other.push(Value::new(2)).unwrap();
            read(&other)
        });
        list.remove(|value| value.number == 1);
        assert!(!read(&list).contains(&1));
        assert!(thread.join().unwrap().contains(&2));
        assert_eq!(read(&list), [2]);
        assert_eq!(rcu::callbacks(), (1, 0));
    });
}
