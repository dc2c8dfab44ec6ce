// SPDX-License-Identifier: GPL-2.0

//! The bridge: our core as an IOMMU driver of the kernel's C core.
//!
//! The C core stays the arbiter of real devices: it forms their groups, chooses default domains,
//! and serves the DMA API, VFIO and sysfs. The bridge registers each instance with it and turns
//! its callbacks into calls of our core. This is the only place that knows `struct iommu_ops`.
//!
//! | file | what |
//! |---|---|
//! | [`unit`] | one instance registered with the C core: register, detach |
//! | `device_ops` | `struct iommu_ops`: devices appear, are grouped, go |
//! | `domain_ops` | `struct iommu_domain_ops`: attach, map, unmap, flush |
//! | [`identity`] | what a function says it is, for quirks |
//! | `spec` | which instance a device names, and by which requester IDs |
//! | `ats` | which devices may keep translations themselves |
//! | `bus_master` | how the DMA of a device is stopped if its unit is lost |
//! | `control` | the file `detach` of a unit in sysfs |
//! | [`takeover`] | drivers that are bound before the IOMMU is there |
//!
//! Callbacks rebuild references from C pointers, call the core and translate the result; they
//! decide nothing.

mod ats;
mod bus_master;
mod control;
mod device_ops;
mod domain_ops;
pub mod identity;
mod spec;
pub mod takeover;
pub mod unit;

use iommu_core::{
    firmware,
    registry, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    }, //
};

/// What the lines of this crate in the kernel log begin with.
const __LOG_PREFIX: &[u8] = b"rust_iommu\0";

/// Makes the bridge, and the core below it, usable. To be called when the module is loaded,
/// before another module can use its symbols.
///
/// # Errors
///
/// `EEXIST` if it was called before.
pub fn init() -> Result {
    static CALLED: Atomic<bool> = Atomic::new(false);

    if CALLED.xchg(true, Full) {
        return Err(EEXIST);
    }
    iommu_ext::pages::init();
    // SAFETY: This line runs once, and nothing runs before it that takes the lock.
    unsafe { registry::INSTANCES.init() };
    // SAFETY: As above.
    unsafe { firmware::DESCRIPTIONS.init() };
    // SAFETY: As above.
    unsafe { unit::UNITS.init() };
    Ok(())
}
