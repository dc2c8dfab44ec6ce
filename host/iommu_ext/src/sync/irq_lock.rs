// SPDX-License-Identifier: GPL-2.0

//! A lock for any context: the interface of `rust/sync/irq_lock.rs`.
//!
//! The thread takes no interrupts while it holds the lock.

use kernel::{
    context::Reason,
    machine,
    prelude::*, //
};
use std::{
    ops::{
        Deref,
        DerefMut, //
    },
    sync::{
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

/// The lock.
pub struct IrqLock<T>(Mutex<T>);

impl<T> IrqLock<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> impl PinInit<Self> {
        move || Self(value.into())
    }

    /// Waits for the lock.
    pub fn lock(&self) -> IrqGuard<'_, T> {
        machine::disable_interrupts();
        IrqGuard {
            guard: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)),
            reason: Some(Reason::without_memory()),
        }
    }
}

/// Holds the lock.
pub struct IrqGuard<'a, T> {
    guard: Option<MutexGuard<'a, T>>,
    reason: Option<Reason>,
}

impl<T> Deref for IrqGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for IrqGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("held until it is dropped")
    }
}

impl<T> Drop for IrqGuard<'_, T> {
    fn drop(&mut self) {
        // The lock first: an interrupt may take it.
        self.guard = None;
        self.reason = None;
        machine::restore_interrupts();
    }
}

/// A lock initialiser.
#[macro_export]
macro_rules! new_irq_lock {
    ($value:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::irq_lock::IrqLock::new($value)
    };
}
