// SPDX-License-Identifier: GPL-2.0

//! Core operations: the interface of `rust/power.rs`. Tests call the operations themselves, by
//! the rules of the kernel.

use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Something that sleeps last and wakes first.
pub trait CoreOperations: Send + Sync + 'static {
    /// All devices sleep.
    ///
    /// # Errors
    ///
    /// The machine does not go to sleep then, and [`resume`](Self::resume) is not called.
    fn suspend(&self) -> Result;

    /// The machine wakes.
    fn resume(&self);

    /// The machine is about to stop.
    fn shutdown(&self);
}

/// Operations that are registered.
pub struct Registration<T: CoreOperations>(Arc<T>);

impl<T: CoreOperations> Registration<T> {
    /// Registers `operations`.
    ///
    /// # Errors
    ///
    /// None on the host.
    pub fn new(operations: Arc<T>) -> Result<Self> {
        Ok(Self(operations))
    }

    /// The operations.
    pub fn operations(&self) -> &T {
        &self.0
    }
}
