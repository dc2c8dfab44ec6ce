// SPDX-License-Identifier: GPL-2.0

//! What the driver of a device that does DMA needs: memory, the DMA API's streaming mappings, and
//! I/O address spaces of its own.
//!
//! Nothing here knows which IOMMU is in the machine, or whether its driver is ours: this is the
//! kernel's API as any driver sees it. Everything borrows the bound device (`'bound`), so that
//! nothing outlives the driver.
//!
//! - [`Buffer`]: physically contiguous memory that device and CPU share.
//! - [`Mapping`]: a part of a buffer that the DMA API lets the device use.
//! - [`PagingDomain`], [`Attachment`], [`Region`]: an address space of the driver's own, the
//!   device in it, and a range of it.
//! - [`Pieces`], [`Mappings`], [`Lists`]: many of these at a time, made and ended in a loop that
//!   is timed.
//! - [`CommandFiles`]: two files in debugfs, to tell a driver what to do.

mod buffer;
mod command_files;
mod domain;
mod region;
mod streaming;
mod timed;

pub use self::buffer::Buffer;
pub use self::command_files::{
    Answer,
    CommandFiles,
    Commands, //
};
pub use self::domain::{
    is_capable,
    Attachment,
    Capability,
    PagingDomain, //
};
pub use self::region::{
    Prot,
    Region, //
};
pub use self::streaming::Mapping;
pub use self::timed::{
    Clock,
    Lists,
    Mappings,
    Pieces,
    LIST_PAGES,
    MAX_LISTS,
    MAX_MAPPINGS, //
};

use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    }, //
};

/// The device as C takes it. The `kernel` crate keeps its own way to this to itself.
fn raw(dev: &Device<Bound>) -> *mut bindings::device {
    // `Device` is a transparent wrapper of an `Opaque` one, which may be changed through `&`.
    core::ptr::from_ref(dev).cast_mut().cast()
}
