// SPDX-License-Identifier: GPL-2.0

//! Mutexes, and what is set once.

use crate::context;
use pin_init::PinInit;
use std::sync::{
    MutexGuard,
    OnceLock,
    PoisonError, //
};

/// A lock that may sleep.
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub fn new(value: T) -> impl PinInit<Self> {
        move || Self(value.into())
    }

    /// As [`new`](Self::new), for a static.
    #[doc(hidden)]
    pub const fn of_static(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock. A test that failed while it held the lock has been reported already.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        context::sleeps();
        self.lock_unseen()
    }

    /// As [`lock`](Self::lock), for stand-ins of what takes no lock.
    #[doc(hidden)]
    pub fn lock_unseen(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mutex initialiser.
#[macro_export]
macro_rules! new_mutex {
    ($value:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::Mutex::new($value)
    };
}

/// A lock that is a static. On the host it needs no initialisation.
#[macro_export]
macro_rules! global_lock {
    (
        $(#[$meta:meta])*
        $visibility:vis unsafe(uninit) static $name:ident: Mutex<$type:ty> = $value:expr;
    ) => {
        $(#[$meta])*
        $visibility static $name: $crate::sync::Mutex<$type> =
            $crate::sync::Mutex::of_static($value);
    };
}

pub use global_lock;

/// A value that is set once.
pub struct SetOnce<T>(OnceLock<T>);

impl<T> SetOnce<T> {
    /// Not set yet.
    #[expect(clippy::new_without_default, reason = "the kernel's has none either")]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value, if it was set.
    pub fn as_ref(&self) -> Option<&T> {
        self.0.get()
    }

    /// Sets the value, unless that was done. Returns whether it did.
    pub fn populate(&self, value: T) -> bool {
        self.0.set(value).is_ok()
    }
}
