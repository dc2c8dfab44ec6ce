// SPDX-License-Identifier: GPL-2.0

//! A list that is read under RCU, in any context, while it changes.
//!
//! Readers take no lock and write nothing. Writers are serialised by a mutex inside the list.
//! Removing neither allocates nor waits: a removed value is dropped after a grace period, so that
//! whoever still reads it can.
//!
//! The `kernel` crate has an RCU read guard, but no list to read under it.

use super::marked::{
    rcu_dereference,
    read_once, //
};
use core::ptr;
use kernel::{
    bindings,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        rcu,
        Mutex, //
    },
    types::Opaque, //
};

type Link<T> = Atomic<*mut Node<T>>;

#[repr(C)]
struct Node<T> {
    rcu: Opaque<bindings::callback_head>,
    next: Link<T>,
    value: T,
}

/// A list of `T`, read under RCU.
///
/// # Invariants
///
/// - `head` and each `next` are null or point to a node from [`KBox`] that stays allocated for a
///   grace period after it can no longer be reached from `head`.
/// - Links are only changed with `writers` held.
#[pin_data(PinnedDrop)]
pub struct RcuList<T: Send + Sync + 'static> {
    head: Link<T>,
    #[pin]
    writers: Mutex<()>,
}

// SAFETY: The list owns its values, which may be sent.
unsafe impl<T: Send + Sync + 'static> Send for RcuList<T> {}
// SAFETY: Readers share values, which is allowed as they are `Sync`; writers are serialised.
unsafe impl<T: Send + Sync + 'static> Sync for RcuList<T> {}

impl<T: Send + Sync + 'static> RcuList<T> {
    /// An empty list.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: There is no node.
        pin_init!(Self {
            head: Atomic::new(ptr::null_mut()),
            writers <- new_mutex!(()),
        })
    }

    /// Puts a value in front. Readers that come later see it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the list is as it was.
    pub fn push(&self, value: T) -> Result {
        let node = KBox::into_raw(KBox::new(
            Node {
                rcu: Opaque::uninit(),
                next: Atomic::new(ptr::null_mut()),
                value,
            },
            GFP_KERNEL,
        )?);
        let _writer = self.writers.lock();
        // SAFETY: The node was just allocated, and nobody else knows it yet.
        let next = unsafe { &(*node).next };
        next.store(self.head.load(Relaxed), Relaxed);
        // Release: a reader that finds the node finds its value and its link, too.
        self.head.store(node, Release);
        Ok(())
    }

    /// Removes the first value that `matches`, and drops it once no reader can see it any more.
    pub fn remove(&self, mut matches: impl FnMut(&T) -> bool) {
        let _writer = self.writers.lock();
        let mut link = &self.head;
        loop {
            let node = link.load(Relaxed);
            if node.is_null() {
                return;
            }
            // SAFETY: Only writers free nodes, and we are the writer.
            let this = unsafe { &*node };
            if !matches(&this.value) {
                link = &this.next;
                continue;
            }
            // The node keeps its own link, for readers that stand on it.
            link.store(this.next.load(Relaxed), Release);
            // SAFETY: The node can no longer be found, so this is the only callback queued for it.
            unsafe { bindings::call_rcu(this.rcu.get(), Some(Self::free_callback)) };
            return;
        }
    }

    /// Whether there was no value a moment ago.
    #[inline]
    pub fn is_empty(&self) -> bool {
        read_once(&self.head).is_null()
    }

    /// The values, newest first, for as long as the guard lives.
    #[inline]
    pub fn iter<'a>(&'a self, _guard: &'a rcu::Guard) -> Iter<'a, T> {
        Iter { link: &self.head }
    }

    /// Drops a removed node. Called by RCU after the grace period.
    ///
    /// # Safety
    ///
    /// `rcu` is the head of a node that [`remove`](Self::remove) took off the list.
    unsafe extern "C" fn free_callback(rcu: *mut bindings::callback_head) {
        // `rcu` is the first field of a `repr(C)` struct.
        let node: *mut Node<T> = rcu.cast();
        // SAFETY: The node came from `KBox::into_raw`; the grace period is over, so that no
        // reader has it.
        drop(unsafe { KBox::from_raw(node) });
    }
}

#[pinned_drop]
impl<T: Send + Sync + 'static> PinnedDrop for RcuList<T> {
    fn drop(self: Pin<&mut Self>) {
        let mut node = self.head.load(Relaxed);
        while !node.is_null() {
            // SAFETY: No reader can exist while the list is dropped, and each node came from
            // `KBox::into_raw`.
            let this = unsafe { KBox::from_raw(node) };
            node = this.next.load(Relaxed);
        }
    }
}

/// Iterator over the values of an [`RcuList`].
pub struct Iter<'a, T> {
    link: &'a Link<T>,
}

impl<T> Clone for Iter<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        Self { link: self.link }
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        // Pairs with the release in `push`.
        let node = rcu_dereference(self.link);
        // SAFETY: By the type invariant a node that a link points to is allocated for as long as
        // the RCU guard that `'a` borrows is held.
        let node = unsafe { node.as_ref() }?;
        self.link = &node.next;
        Some(&node.value)
    }
}

/// Waits until nobody reads any more who may have found a value that was removed before. May
/// sleep.
pub fn synchronize() {
    // SAFETY: May be called from any context that may sleep, which the caller says this is.
    unsafe { bindings::synchronize_rcu() };
}

/// Waits until every value removed before has been dropped.
///
/// To be called before the last reference to what those values own is given up, and before the
/// module is unloaded: the callbacks are its code.
pub fn barrier() {
    // SAFETY: May be called from any context that may sleep, which ours are.
    unsafe { bindings::rcu_barrier() };
}
