// SPDX-License-Identifier: GPL-2.0

//! The same call of the kernel's API over and over, timed: for benchmarks.
//!
//! A *stretch* is `count` calls in a tight loop, between two looks at the clock; what it took is in
//! nanoseconds. Nothing but the
//! call is in the loop, so that what is timed is the kernel's and the IOMMU driver's.

use super::{
    raw,
    region::Prot,
    Buffer,
    Region, //
};
use crate::addr::{
    IovaRange,
    PAGE_SIZE, //
};
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    error::to_result,
    ffi::c_void,
    prelude::*,
    sync::Arc, //
};

extern "C" {
    fn rust_iommu_helper_virt_to_page(virt: *mut c_void) -> usize;
}

/// What the DMA API returns for a mapping it could not make.
const MAPPING_ERROR: bindings::dma_addr_t = bindings::dma_addr_t::MAX;

/// What a device may do with the memory of timed mappings.
const DIRECTION: DataDirection = DataDirection::Bidirectional;

/// The most streaming mappings at a time.
pub const MAX_MAPPINGS: usize = 256;

/// The most scatterlists at a time.
pub const MAX_LISTS: usize = 8;

/// Pages of a scatterlist.
pub const LIST_PAGES: usize = 256;

/// A scatterlist of single pages.
type List = [bindings::scatterlist; LIST_PAGES];

/// The bit of `struct scatterlist`'s `page_link` that ends a list.
const LIST_END: usize = 1 << 1;

/// A look at the clock, and how long ago that was.
#[derive(Clone, Copy)]
pub struct Clock(i64);

impl Clock {
    /// Now.
    #[inline]
    pub fn now() -> Self {
        // SAFETY: May be called in any context but an NMI.
        Self(unsafe { bindings::ktime_get() })
    }

    /// Nanoseconds since then.
    #[inline]
    pub fn elapsed(self) -> u64 {
        let Self(now) = Self::now();
        // CAST: The clock does not go back.
        now.wrapping_sub(self.0) as u64
    }
}

/// A region that is mapped in pieces of one size.
pub struct Pieces<'bound> {
    region: Region<'bound>,
    piece: usize,
}

impl<'bound> Pieces<'bound> {
    /// A region to be mapped in pieces of `piece` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the region is not made of whole pieces, or the domain's buffer is smaller than
    /// a piece.
    pub fn new(region: Region<'bound>, piece: usize) -> Result<Self> {
        let part = IovaRange::with_len(region.range().first(), piece as u64).ok_or(EINVAL)?;
        region.len_of(part)?;
        match region.len_of(region.range())?.checked_rem(piece) {
            Some(0) => (),
            _ => return Err(EINVAL),
        }
        region.domain.buffer().part(0, piece)?;
        Ok(Self { region, piece })
    }

    /// Maps the region's first `count` pieces, one call each; returns how long that took. The
    /// buffer is mapped over and over, from its end: what is next to each other in the region is
    /// not in memory.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the region has fewer pieces, `EBUSY` if something is mapped already, and what
    /// the IOMMU's driver returns.
    pub fn map(&mut self, count: usize) -> Result<u64> {
        let (first, _) = self.first(count)?;
        if !self.region.is_empty() {
            return Err(EBUSY);
        }
        let domain = self.region.domain.as_raw();
        let buffer = self.region.domain.buffer();
        let (start, size) = (buffer.phys().0, buffer.size());
        let prot = Prot::ReadWrite.into_raw();
        let mut iova = first;
        let mut left = 0usize;
        let mut result = 0;

        let begin = Clock::now();
        for _ in 0..count {
            if left == 0 {
                left = size;
            }
            left = left.wrapping_sub(self.piece);
            let phys = start.wrapping_add(left as u64);
            // SAFETY: The domain is live, the memory is that of its buffer, as pieces fit it, and
            // by the invariant of the region nobody else works on these addresses.
            result = unsafe {
                bindings::iommu_map(domain, iova, phys, self.piece, prot, bindings::GFP_KERNEL)
            };
            if result != 0 {
                break;
            }
            iova = iova.wrapping_add(self.piece);
        }
        let took = begin.elapsed();

        // What is mapped is unmapped with the region, also after an error.
        self.region.mapped = iova.wrapping_sub(first);
        to_result(result)?;
        Ok(took)
    }

    /// Looks up the first byte of the first `count` pieces; returns how long that took.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the region has fewer pieces, `EIO` if one of them is not mapped.
    pub fn lookup(&self, count: usize) -> Result<u64> {
        let (first, _) = self.first(count)?;
        let domain = self.region.domain.as_raw();
        let mut iova = first as u64;
        let mut is_missing = false;

        let begin = Clock::now();
        for _ in 0..count {
            // SAFETY: The domain is live, and by the invariant of the region nobody else works on
            // this address.
            is_missing |= unsafe { bindings::iommu_iova_to_phys(domain, iova) } == 0;
            iova = iova.wrapping_add(self.piece as u64);
        }
        let took = begin.elapsed();

        if is_missing {
            return Err(EIO);
        }
        Ok(took)
    }

    /// Unmaps the first `count` pieces, one call each; returns how long that took.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the region has fewer pieces, `EIO` if one of them was not mapped.
    pub fn unmap(&mut self, count: usize) -> Result<u64> {
        let (first, len) = self.first(count)?;
        let domain = self.region.domain.as_raw();
        let mut iova = first;
        let mut unmapped = 0usize;

        let begin = Clock::now();
        for _ in 0..count {
            // SAFETY: As in `map`.
            let bytes = unsafe { bindings::iommu_unmap(domain, iova, self.piece) };
            unmapped = unmapped.wrapping_add(bytes);
            iova = iova.wrapping_add(self.piece);
        }
        let took = begin.elapsed();

        self.region.mapped = self.region.mapped.saturating_sub(unmapped);
        if unmapped == len {
            Ok(took)
        } else {
            Err(EIO)
        }
    }

    /// Address and size of the first `count` pieces.
    fn first(&self, count: usize) -> Result<(usize, usize)> {
        let len = self.piece.checked_mul(count).ok_or(EINVAL)?;
        if len > self.region.len_of(self.region.range())? {
            return Err(EINVAL);
        }
        Ok((self.region.range().first().0 as usize, len))
    }
}

/// Streaming mappings of one size, made and ended together.
///
/// # Invariants
///
/// The first `mapped` of `addrs` came from `dma_map_phys()` for `dev`, `len` bytes of `buffer` and
/// [`DIRECTION`], and were not unmapped.
pub struct Mappings<'bound> {
    dev: &'bound Device<Bound>,
    buffer: Arc<Buffer>,
    len: usize,
    addrs: KBox<[bindings::dma_addr_t; MAX_MAPPINGS]>,
    mapped: usize,
}

impl<'bound> Mappings<'bound> {
    /// Room for [`MAX_MAPPINGS`] mappings of the buffer's first `len` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer has less, `ENOMEM`.
    pub fn new(dev: &'bound Device<Bound>, buffer: Arc<Buffer>, len: usize) -> Result<Self> {
        buffer.part(0, len)?;
        // INVARIANT: There is none yet.
        Ok(Self {
            dev,
            buffer,
            len,
            addrs: KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?,
            mapped: 0,
        })
    }

    /// Makes `count` mappings, with one call of `dma_map_phys()` each, which is what
    /// `dma_map_single()` comes to; returns how long that took.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there are mappings, `EINVAL` if there is no room for so many, `ENOMEM` if the
    /// DMA API finds no address.
    pub fn map(&mut self, count: usize) -> Result<u64> {
        if self.mapped != 0 {
            return Err(EBUSY);
        }
        let (dev, phys) = (raw(self.dev), self.buffer.phys().0);
        let direction = DIRECTION.into();
        let addrs = self.addrs.get_mut(..count).ok_or(EINVAL)?;

        let begin = Clock::now();
        for addr in addrs {
            // SAFETY: The device is bound, and the memory is that of a live buffer.
            *addr = unsafe { bindings::dma_map_phys(dev, phys, self.len, direction, 0) };
            if *addr == MAPPING_ERROR {
                return Err(ENOMEM);
            }
            // INVARIANT: Just mapped.
            self.mapped = self.mapped.wrapping_add(1);
        }
        Ok(begin.elapsed())
    }

    /// Ends all mappings, one call each; returns how long that took.
    pub fn unmap(&mut self) -> u64 {
        let (dev, direction) = (raw(self.dev), DIRECTION.into());

        let begin = Clock::now();
        for addr in self.addrs.iter().take(self.mapped) {
            // SAFETY: By the type invariant; the device is still bound.
            unsafe { bindings::dma_unmap_phys(dev, *addr, self.len, direction, 0) };
        }
        let took = begin.elapsed();

        self.mapped = 0;
        took
    }
}

impl Drop for Mappings<'_> {
    fn drop(&mut self) {
        self.unmap();
    }
}

/// Scatterlists of single pages, which the DMA API maps as a whole.
///
/// # Invariants
///
/// The last element of each list is marked as such; all are pages of the buffer. The first `mapped`
/// lists are mapped for `dev` and [`DIRECTION`].
pub struct Lists<'bound> {
    dev: &'bound Device<Bound>,
    _buffer: Arc<Buffer>,
    lists: [KBox<List>; MAX_LISTS],
    mapped: usize,
}

impl<'bound> Lists<'bound> {
    /// [`MAX_LISTS`] lists of [`LIST_PAGES`] pages of a buffer, from its end: none of them
    /// continues the one before it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer has fewer pages, `ENOMEM`.
    pub fn new(dev: &'bound Device<Bound>, buffer: Arc<Buffer>) -> Result<Self> {
        let list = || list(&buffer);
        // INVARIANT: Lists are as `list` makes them, and none is mapped.
        let lists = [
            list()?,
            list()?,
            list()?,
            list()?,
            list()?,
            list()?,
            list()?,
            list()?,
        ];
        Ok(Self {
            dev,
            _buffer: buffer,
            lists,
            mapped: 0,
        })
    }

    /// Maps the first `count` lists, one call each; returns how long that took.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there are lists mapped, `EINVAL` if there are fewer lists, `ENOMEM` if the DMA
    /// API finds no addresses.
    pub fn map(&mut self, count: usize) -> Result<u64> {
        if self.mapped != 0 {
            return Err(EBUSY);
        }
        let (dev, direction) = (raw(self.dev), DIRECTION.into());
        let lists = self.lists.get_mut(..count).ok_or(EINVAL)?;

        let begin = Clock::now();
        for list in lists {
            // SAFETY: The device is bound, and the list is one by the type invariant.
            let segments = unsafe {
                bindings::dma_map_sg_attrs(
                    dev,
                    list.as_mut_ptr(),
                    // CAST: A small number.
                    LIST_PAGES as i32,
                    direction,
                    0,
                )
            };
            if segments == 0 {
                return Err(ENOMEM);
            }
            // INVARIANT: Just mapped.
            self.mapped = self.mapped.wrapping_add(1);
        }
        Ok(begin.elapsed())
    }

    /// Unmaps all lists, one call each; returns how long that took.
    pub fn unmap(&mut self) -> u64 {
        let (dev, direction) = (raw(self.dev), DIRECTION.into());

        let begin = Clock::now();
        for list in self.lists.iter_mut().take(self.mapped) {
            // SAFETY: By the type invariant the list is mapped.
            unsafe {
                bindings::dma_unmap_sg_attrs(
                    dev,
                    list.as_mut_ptr(),
                    // CAST: As above.
                    LIST_PAGES as i32,
                    direction,
                    0,
                )
            };
        }
        let took = begin.elapsed();

        self.mapped = 0;
        took
    }
}

impl Drop for Lists<'_> {
    fn drop(&mut self) {
        self.unmap();
    }
}

/// A list of the first pages of a buffer, the last one first.
fn list(buffer: &Buffer) -> Result<KBox<List>> {
    let mut list: KBox<List> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
    for (index, entry) in list.iter_mut().rev().enumerate() {
        let end = if index == 0 { LIST_END } else { 0 };
        entry.page_link = buffer.page(index)? | end;
        // CAST: Fits.
        entry.length = PAGE_SIZE as u32;
    }
    Ok(list)
}

impl Buffer {
    /// Where the kernel's `struct page` of a page is.
    fn page(&self, index: usize) -> Result<usize> {
        let offset = index.checked_mul(PAGE_SIZE).ok_or(EINVAL)?;
        self.part(offset, PAGE_SIZE)?;
        let virt = self.words().as_ptr() as usize;
        let virt = virt.wrapping_add(offset) as *mut c_void;
        // SAFETY: The page is one of the buffer, which is in the direct map.
        Ok(unsafe { rust_iommu_helper_virt_to_page(virt) })
    }
}
