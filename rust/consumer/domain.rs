// SPDX-License-Identifier: GPL-2.0

//! I/O address spaces that belong to a driver, instead of the one of the DMA API.
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

use super::Buffer;
use crate::addr::{
    Iova,
    IovaRange, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// How many regions a domain can have at a time.
const MAX_REGIONS: usize = 64;

/// What the IOMMU of a device may be able to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capability {
    /// To have all accesses snoop the CPU caches ([`PagingDomain::enforce_cache_coherency`]).
    EnforceCoherency,
    /// To say that no device could reach memory before the kernel.
    PreBootProtection,
    /// To let the device cache translations (ATS).
    Ats,
}

/// Whether the IOMMU of a device, if there is one, can do something.
pub fn is_capable(dev: &Device<Bound>, capability: Capability) -> bool {
    let capability = match capability {
        Capability::EnforceCoherency => bindings::iommu_cap_IOMMU_CAP_ENFORCE_CACHE_COHERENCY,
        Capability::PreBootProtection => bindings::iommu_cap_IOMMU_CAP_PRE_BOOT_PROTECTION,
        Capability::Ats => bindings::iommu_cap_IOMMU_CAP_PCI_ATS_SUPPORTED,
    };
    // SAFETY: The device is bound; the kernel checks whether it has an IOMMU.
    unsafe { bindings::device_iommu_capable(super::raw(dev), capability) }
}

/// An address space in which a device can be put, and in which parts of one buffer can be mapped.
///
/// The kernel leaves it to its callers that no two of them work on the same addresses at a time.
/// Here that is a rule of ownership: addresses are worked on through a
/// [`Region`](super::Region), and regions do not overlap.
///
/// # Invariants
///
/// `raw` is a paging domain made for `dev`, and nothing else frees it.
#[pin_data(PinnedDrop)]
pub struct PagingDomain<'bound> {
    raw: NonNull<bindings::iommu_domain>,
    dev: &'bound Device<Bound>,
    /// The memory, which must not be freed before the domain.
    buffer: Arc<Buffer>,
    /// The regions there are.
    #[pin]
    taken: Mutex<[Option<IovaRange>; MAX_REGIONS]>,
}

// SAFETY: Domains may be used and freed from any thread.
unsafe impl Send for PagingDomain<'_> {}
// SAFETY: Attach and detach take the kernel's group lock, `taken` has its own, and what regions do
// may run concurrently, as they do not overlap.
unsafe impl Sync for PagingDomain<'_> {}

impl<'bound> PagingDomain<'bound> {
    /// An empty address space for a device, in which parts of `buffer` can be mapped.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the device is behind no IOMMU, `ENOMEM`, and what the IOMMU's driver returns.
    pub fn new(dev: &'bound Device<Bound>, buffer: Arc<Buffer>) -> Result<Arc<Self>> {
        let init = try_pin_init!(Self {
            raw: {
                // SAFETY: The device is bound; the kernel checks whether it has an IOMMU.
                let raw = unsafe { bindings::iommu_paging_domain_alloc_flags(super::raw(dev), 0) };
                // INVARIANT: The domain is new.
                NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?
            },
            dev,
            buffer,
            taken <- new_mutex!([None; MAX_REGIONS]),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }

    /// The memory that can be mapped.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Has all mappings from now on force the device's accesses to snoop the CPU caches, whatever
    /// the device asks for. Says whether that is so: the IOMMU may not be able to, and there may be
    /// mappings that do not.
    ///
    /// VFIO and iommufd ask for it; the kernel has no function for other callers.
    pub fn enforce_cache_coherency(&self) -> bool {
        // SAFETY: By the type invariant the domain is live, and its table of callbacks is there as
        // long.
        let enforce = unsafe { (*(*self.as_raw()).ops).enforce_cache_coherency };
        match enforce {
            // SAFETY: The callback takes a domain of its own driver, which this is.
            Some(enforce) => unsafe { enforce(self.as_raw()) },
            None => false,
        }
    }

    /// The addresses that can be mapped; `None` if there are none.
    pub fn aperture(&self) -> Option<IovaRange> {
        // SAFETY: By the type invariant the domain is live. Nobody changes its geometry.
        let geometry = unsafe { &(*self.as_raw()).geometry };
        IovaRange::new(Iova(geometry.aperture_start), Iova(geometry.aperture_end))
    }

    pub(super) fn as_raw(&self) -> *mut bindings::iommu_domain {
        self.raw.as_ptr()
    }

    /// Takes a range, if no region has a part of it.
    pub(super) fn take(&self, range: IovaRange) -> Result {
        let mut taken = self.taken.lock();
        if taken.iter().flatten().any(|other| other.overlaps(&range)) {
            return Err(EBUSY);
        }
        let free = taken.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(ENOSPC)? = Some(range);
        Ok(())
    }

    /// Gives a range back.
    pub(super) fn give_back(&self, range: IovaRange) {
        let mut taken = self.taken.lock();
        if let Some(slot) = taken.iter_mut().find(|slot| **slot == Some(range)) {
            *slot = None;
        }
    }
}

#[pinned_drop]
impl PinnedDrop for PagingDomain<'_> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant. Regions and attachments hold a reference to `self`, so
        // that there are none left.
        unsafe { bindings::iommu_domain_free(self.as_raw()) };
    }
}

/// The device in a domain of its driver. Dropping it puts the device back in the DMA API's.
///
/// # Invariants
///
/// The device of `domain` is attached to it.
pub struct Attachment<'bound> {
    domain: Arc<PagingDomain<'bound>>,
}

impl<'bound> Attachment<'bound> {
    /// Puts the domain's device in it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the device is in a domain of its driver already; `EINVAL` if other devices share
    /// its group; what the IOMMU's driver returns.
    pub fn new(domain: Arc<PagingDomain<'bound>>) -> Result<Self> {
        // SAFETY: Domain and device are live, and the device has the driver that calls.
        to_result(unsafe {
            bindings::iommu_attach_device(domain.as_raw(), super::raw(domain.dev))
        })?;
        // INVARIANT: Just attached.
        Ok(Self { domain })
    }

    /// The domain.
    pub fn domain(&self) -> &Arc<PagingDomain<'bound>> {
        &self.domain
    }
}

impl Drop for Attachment<'_> {
    fn drop(&mut self) {
        let domain = &self.domain;
        // SAFETY: By the type invariant.
        unsafe { bindings::iommu_detach_device(domain.as_raw(), super::raw(domain.dev)) };
    }
}
