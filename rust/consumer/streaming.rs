// SPDX-License-Identifier: GPL-2.0

//! Streaming mappings of the DMA API: memory that a device may use for one transfer.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::Buffer;
use crate::addr::Iova;
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::Arc, //
};

#[allow(
    improper_ctypes,
    reason = "without lockdep, C structs contain empty ones"
)]
extern "C" {
    fn rust_iommu_helper_dma_mapping_error(
        dev: *mut bindings::device,
        addr: bindings::dma_addr_t,
    ) -> c_int;
}

/// A part of a buffer that the device may use. Dropping it ends that.
///
/// # Invariants
///
/// `addr` came from `dma_map_phys()` for `dev`, `len` bytes and `direction`, and was not unmapped.
pub struct Mapping<'bound> {
    dev: &'bound Device<Bound>,
    addr: bindings::dma_addr_t,
    len: usize,
    direction: DataDirection,
    /// The memory, which must not be freed before the device has lost it.
    _buffer: Arc<Buffer>,
}

impl<'bound> Mapping<'bound> {
    /// Maps `len` bytes of the buffer from `offset`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer has no such part, or for [`DataDirection::None`]; `ENOMEM` if the DMA
    /// API finds no room.
    pub fn new(
        dev: &'bound Device<Bound>,
        buffer: Arc<Buffer>,
        offset: usize,
        len: usize,
        direction: DataDirection,
    ) -> Result<Self> {
        if direction == DataDirection::None {
            return Err(EINVAL);
        }
        let phys = buffer.part(offset, len)?;
        // SAFETY: The device is bound, and the memory is that of a live buffer.
        let addr =
            unsafe { bindings::dma_map_phys(super::raw(dev), phys.0, len, direction.into(), 0) };
        // SAFETY: The device is bound, and the address came from the DMA API.
        to_result(unsafe { rust_iommu_helper_dma_mapping_error(super::raw(dev), addr) })?;
        // INVARIANT: Just mapped.
        Ok(Self {
            dev,
            addr,
            len,
            direction,
            _buffer: buffer,
        })
    }

    /// The address to give to the device.
    pub fn iova(&self) -> Iova {
        Iova(self.addr)
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        let direction = self.direction.into();
        // SAFETY: By the type invariant; the device is still bound.
        unsafe {
            bindings::dma_unmap_phys(super::raw(self.dev), self.addr, self.len, direction, 0)
        };
    }
}
