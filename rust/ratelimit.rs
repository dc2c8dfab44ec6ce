// SPDX-License-Identifier: GPL-2.0

//! Rate limits for messages that a device or a user can trigger.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

extern "C" {
    fn rust_iommu_helper_ratelimit_init(rs: *mut bindings::ratelimit_state);
}

/// Ten messages in five seconds, as for the kernel's own.
///
/// # Invariants
///
/// The object is an initialised `struct ratelimit_state`, which has its own lock.
#[pin_data]
pub struct RateLimit {
    #[pin]
    state: Opaque<bindings::ratelimit_state>,
}

// SAFETY: `struct ratelimit_state` may be used from any thread.
unsafe impl Send for RateLimit {}
// SAFETY: It takes its own lock.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// A limit that was not touched yet.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: The helper initialises the object.
        pin_init!(Self {
            // SAFETY: The slot is valid for writes, and stays where it is.
            state <- Opaque::ffi_init(|rs| unsafe { rust_iommu_helper_ratelimit_init(rs) }),
        })
    }

    /// Whether one more message may go out. How many did not is logged under `name`. Any context.
    pub fn allows(&self, name: &CStr) -> bool {
        // SAFETY: By the type invariant, and `name` is NUL-terminated.
        unsafe { bindings::___ratelimit(self.state.get(), name.as_char_ptr()) != 0 }
    }
}
