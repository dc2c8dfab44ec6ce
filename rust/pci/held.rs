// SPDX-License-Identifier: GPL-2.0

//! Holding functions as they are: with a driver or without.
//!
//! A driver binds and unbinds with the lock of its device held (`device_lock()`). Whoever holds
//! the locks of many devices decides when drivers bind to them: those that come meanwhile wait, and
//! bind after. With the lock that hotplug, rescans and SR-IOV take, no function is added or removed
//! either.
//!
//! # Order
//!
//! Others take several of these locks in orders of their own: hotplug takes its lock before that
//! of a device, SR-IOV after it, and a bus reset those of a whole bus. So only `holding` and the
//! lock of hotplug are waited for here, with no other lock held. A device whose lock is taken makes
//! us release all locks, wait for that one device, and start over.

use super::{
    all,
    Function, //
};
use crate::vec::KVecExt;
use kernel::{
    bindings,
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe, //
};

#[allow(
    improper_ctypes,
    reason = "without lockdep, C structs contain empty ones"
)]
extern "C" {
    fn rust_iommu_helper_hold_begin();
    fn rust_iommu_helper_hold_end();
    fn rust_iommu_helper_hold(dev: *mut bindings::device) -> bool;
    fn rust_iommu_helper_let_go(dev: *mut bindings::device);
    fn rust_iommu_helper_await(dev: *mut bindings::device);
}

/// How often all locks are tried. Each attempt but the first waits for one driver to bind or
/// unbind.
const ATTEMPTS: u32 = 1000;

/// Functions that keep their drivers, or stay without one, while this lives. No function of the
/// machine is added or removed either.
///
/// Whoever has one must not take the lock of a function
/// ([`release_driver`](Function::release_driver) and others say so), nor wait for a thread that
/// does.
///
/// # Invariants
///
/// This thread holds `holding`, the lock of hotplug, and the lock of each of `functions`.
pub struct Held {
    functions: KVec<ARef<Function>>,
    /// A lock is released by the thread that took it.
    _thread: NotThreadSafe,
}

impl Held {
    /// Holds the functions for which `select` is true. Sleeps until no driver binds to one of them
    /// or unbinds.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: in each of many attempts, the lock of one of the functions was taken.
    /// - `ENOMEM`, and what `select` returns.
    pub fn new(select: impl Fn(&Function) -> Result<bool>) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            // SAFETY: This thread holds none of the locks: it has no `Held`.
            unsafe { rust_iommu_helper_hold_begin() };
            // INVARIANT: The two locks were just taken.
            let mut held = Self {
                functions: KVec::new(),
                _thread: NotThreadSafe,
            };
            let Some(busy) = held.hold_all(&select)? else {
                return Ok(held);
            };
            drop(held);
            // SAFETY: By the type invariant of `Function`; this thread does not hold the lock.
            unsafe { rust_iommu_helper_await(busy.as_device()) };
        }
        Err(EBUSY)
    }

    /// Holds all that `select` names. Returns the first function whose lock is taken.
    fn hold_all(
        &mut self,
        select: impl Fn(&Function) -> Result<bool>,
    ) -> Result<Option<ARef<Function>>> {
        for function in all() {
            if !select(&function)? {
                continue;
            }
            let dev = function.as_device();
            // INVARIANT: Its lock is taken below, or it is removed again.
            self.functions.try_push(function, GFP_KERNEL)?;
            // SAFETY: By the type invariant of `Function`.
            if !unsafe { rust_iommu_helper_hold(dev) } {
                return Ok(self.functions.pop());
            }
        }
        Ok(None)
    }

    /// The first of the functions that has a driver.
    pub fn bound(&self) -> Option<&Function> {
        self.functions
            .iter()
            .find(|function| function.has_driver())
            .map(|function| &**function)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for function in self.functions.iter().rev() {
            // SAFETY: By the type invariant, this thread holds the lock.
            unsafe { rust_iommu_helper_let_go(function.as_device()) };
        }
        // SAFETY: By the type invariant, this thread holds both locks.
        unsafe { rust_iommu_helper_hold_end() };
    }
}
