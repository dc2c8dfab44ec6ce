// SPDX-License-Identifier: GPL-2.0

//! Ranges of a driver's own I/O address space, and what is mapped there.
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

use super::PagingDomain;
use crate::addr::{
    Iova,
    IovaRange,
    PhysAddr,
    PAGE_SIZE, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// What a device may do with mapped memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prot {
    /// Read it.
    Read,
    /// Write it. Some IOMMUs take this for [`ReadWrite`](Self::ReadWrite).
    Write,
    /// Read and write it.
    ReadWrite,
}

impl Prot {
    pub(super) const fn into_raw(self) -> i32 {
        // CAST: The flags are small positive numbers.
        (match self {
            Self::Read => bindings::IOMMU_READ,
            Self::Write => bindings::IOMMU_WRITE,
            Self::ReadWrite => bindings::IOMMU_READ | bindings::IOMMU_WRITE,
        }) as i32
    }
}

/// A range of a domain that only the owner of this value works on. Dropping it unmaps what is
/// mapped there.
///
/// # Invariants
///
/// No other region of `domain` overlaps `range`, which begins and ends at page boundaries.
/// `mapped` is how many bytes of it are mapped.
pub struct Region<'bound> {
    pub(super) domain: Arc<PagingDomain<'bound>>,
    range: IovaRange,
    pub(super) mapped: usize,
}

impl<'bound> Region<'bound> {
    /// Takes a range of a domain.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not made of whole pages, `EBUSY` if another region has a part of it,
    /// `ENOSPC` if the domain has too many regions.
    pub fn new(domain: Arc<PagingDomain<'bound>>, range: IovaRange) -> Result<Self> {
        whole_pages(range)?;
        domain.take(range)?;
        // INVARIANT: The range was free, and all regions are made here.
        Ok(Self {
            domain,
            range,
            mapped: 0,
        })
    }

    /// The range.
    pub fn range(&self) -> IovaRange {
        self.range
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.mapped == 0
    }

    /// Maps the domain's buffer from `offset` at `part`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `part` is not made of whole pages of the region, or the buffer has no such
    /// part; what the IOMMU's driver returns, for instance if something is mapped there already,
    /// or the device cannot reach the addresses. Then nothing has changed.
    pub fn map(&mut self, part: IovaRange, offset: usize, prot: Prot) -> Result {
        let len = self.len_of(part)?;
        let phys = self.domain.buffer().part(offset, len)?;
        let mapped = self.mapped.checked_add(len).ok_or(EINVAL)?;
        // SAFETY: The domain is live, the memory is that of its buffer, and by the type invariant
        // nobody else works on these addresses.
        to_result(unsafe {
            bindings::iommu_map(
                self.domain.as_raw(),
                part.first().0 as usize,
                phys.0,
                len,
                prot.into_raw(),
                bindings::GFP_KERNEL,
            )
        })?;
        self.mapped = mapped;
        Ok(())
    }

    /// Unmaps `part`, up to the first hole in it. Returns the number of bytes that were unmapped.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `part` is not made of whole pages of the region.
    pub fn unmap(&mut self, part: IovaRange) -> Result<usize> {
        let len = self.len_of(part)?;
        let first = part.first().0 as usize;
        // SAFETY: The domain is live, and by the type invariant nobody else works on these
        // addresses.
        let unmapped = unsafe { bindings::iommu_unmap(self.domain.as_raw(), first, len) };
        self.mapped = self.mapped.saturating_sub(unmapped);
        Ok(unmapped)
    }

    /// Where `iova` leads; `None` if nothing is mapped there.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `iova` is not of this region.
    pub fn lookup(&self, iova: Iova) -> Result<Option<PhysAddr>> {
        if iova < self.range.first() || iova > self.range.last() {
            return Err(EINVAL);
        }
        // SAFETY: The domain is live, and by the type invariant nobody else works on this address.
        let phys = unsafe { bindings::iommu_iova_to_phys(self.domain.as_raw(), iova.0) };
        // The kernel says 0 for "none": no buffer lies there.
        Ok((phys != 0).then_some(PhysAddr(phys)))
    }

    /// The size of a part of the region, in bytes.
    pub(super) fn len_of(&self, part: IovaRange) -> Result<usize> {
        whole_pages(part)?;
        if !self.range.contains(&part) {
            return Err(EINVAL);
        }
        let more = part.last().0.wrapping_sub(part.first().0);
        // CAST: `usize` has 64 bits on every kernel we build for.
        more.checked_add(1).map(|len| len as usize).ok_or(EINVAL)
    }
}

impl Drop for Region<'_> {
    fn drop(&mut self) {
        let mut rest = Some(self.range);
        // Holes are stepped over page by page; most regions have none.
        while let Some(part) = rest.filter(|_| self.mapped > 0) {
            let Ok(unmapped) = self.unmap(part) else {
                break;
            };
            let step = unmapped.max(PAGE_SIZE) as u64;
            rest = part
                .first()
                .0
                .checked_add(step)
                .and_then(|first| IovaRange::new(Iova(first), part.last()));
        }
        self.domain.give_back(self.range);
    }
}

/// Checks that a range begins and ends at page boundaries.
fn whole_pages(range: IovaRange) -> Result {
    let page = PAGE_SIZE as u64;
    if range.first().0 % page == 0 && range.last().0 % page == page.wrapping_sub(1) {
        Ok(())
    } else {
        Err(EINVAL)
    }
}
