// SPDX-License-Identifier: GPL-2.0

//! Sharing between threads.

pub mod atomic;
pub mod barrier;
mod lock;
pub mod rcu;

pub use lock::{
    global_lock,
    Mutex,
    SetOnce, //
};

use crate::alloc::{
    AllocError,
    Flags, //
};
use pin_init::PinInit;
use std::{
    marker::Unsize,
    ops::{
        CoerceUnsized,
        Deref, //
    },
};

/// A counted reference.
pub struct Arc<T: ?Sized>(std::sync::Arc<T>);

impl<T> Arc<T> {
    /// Puts `value` into memory of its own.
    #[track_caller]
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        flags.ask();
        Ok(Self(std::sync::Arc::new(value)))
    }

    /// Puts what `init` makes into memory of its own.
    #[track_caller]
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> crate::error::Result<Self>
    where
        crate::error::Error: From<E>,
    {
        flags.ask();
        Ok(Self(std::sync::Arc::new(init.make()?)))
    }
}

impl<T: ?Sized> Arc<T> {
    /// Whether both lead to the same object.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&this.0, &other.0)
    }
}

impl<T: ?Sized + Unsize<U>, U: ?Sized> CoerceUnsized<Arc<U>> for Arc<T> {}

/// A reference that is not shared yet. The kernel's formatting wants to know it.
pub struct UniqueArc<T: ?Sized>(Box<T>);

impl<T: ?Sized> Deref for UniqueArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
