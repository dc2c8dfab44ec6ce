// SPDX-License-Identifier: GPL-2.0

//! A lock for any context: the interface of `rust/sync/irq_lock.rs`. Handlers of interrupts are
//! threads here, so that there is nothing to turn off.

use loom::sync::{
    Mutex,
    MutexGuard, //
};
use pin_init::PinInit;
use std::sync::PoisonError;

/// The lock.
pub struct IrqLock<T>(Mutex<T>);

/// Holds the lock.
pub type IrqGuard<'a, T> = MutexGuard<'a, T>;

impl<T> IrqLock<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> impl PinInit<Self> {
        move || Self(Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> IrqGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock initialiser.
#[macro_export]
macro_rules! new_irq_lock {
    ($value:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::irq_lock::IrqLock::new($value)
    };
}
