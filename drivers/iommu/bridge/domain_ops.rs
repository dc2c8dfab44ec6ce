// SPDX-License-Identifier: GPL-2.0

//! `struct iommu_domain_ops`: attach, map, unmap and flush.
//!
//! Two tables of callbacks serve all paging domains: [`PAGING`], and [`PAGING_FLUSH_ON_MAP`] for
//! tables whose new mappings need an invalidation. The others would pay for a callback that does
//! nothing. The static domains [`IDENTITY`] and [`BLOCKED`] have a table each.

use crate::device_ops::Device;
use iommu_core::{
    domain::Domain,
    group::Target,
    route::Route,
    table::{
        PageTable,
        Prot, //
    }, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PhysAddr, //
    },
    gather::Gather,
    pages::Gfp,
    sync::marked::read_once, //
};
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_int,
        c_ulong, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// A paging domain of the C core, and ours behind it.
#[repr(C)]
struct PagingDomain {
    c: Opaque<bindings::iommu_domain>,
    /// The table of `domain`, one pointer closer for the callbacks that map and unmap.
    table: Arc<dyn PageTable>,
    domain: Arc<Domain>,
    /// Whether mappings must force accesses to snoop. Set before the first mapping: who enforces
    /// coherency (VFIO) does so right after the domain was made.
    snoop: Atomic<bool>,
}

impl PagingDomain {
    /// Our domain behind a domain of the C core.
    ///
    /// # Safety
    ///
    /// `c` came from [`alloc_paging_callback`] and is not freed during `'a`.
    #[inline]
    unsafe fn from_raw<'a>(c: *mut bindings::iommu_domain) -> &'a Self {
        // SAFETY: `c` is the first field of a `repr(C)` struct that outlives `'a`.
        unsafe { &*c.cast() }
    }
}

/// A table of domain callbacks.
#[repr(transparent)]
pub(crate) struct DomainOps(bindings::iommu_domain_ops);

// SAFETY: The table is never changed.
unsafe impl Sync for DomainOps {}

impl DomainOps {
    pub(crate) const fn as_ptr(&'static self) -> *const bindings::iommu_domain_ops {
        &raw const self.0
    }
}

/// A domain without page table that exists once for all instances. The C core knows it by its
/// address.
#[repr(transparent)]
pub(crate) struct StaticDomain(Opaque<bindings::iommu_domain>);

// SAFETY: Only the C core reads it, and it never changes.
unsafe impl Sync for StaticDomain {}

impl StaticDomain {
    const fn new(kind: u32, ops: &'static DomainOps) -> Self {
        Self(Opaque::new(bindings::iommu_domain {
            type_: kind,
            ops: ops.as_ptr(),
            ..pin_init::zeroed()
        }))
    }

    pub(crate) const fn as_ptr(&'static self) -> *mut bindings::iommu_domain {
        self.0.get()
    }
}

/// Lets DMA pass untranslated.
pub(crate) static IDENTITY: StaticDomain =
    StaticDomain::new(bindings::IOMMU_DOMAIN_IDENTITY, &IDENTITY_OPS);

/// Lets no DMA pass.
pub(crate) static BLOCKED: StaticDomain =
    StaticDomain::new(bindings::IOMMU_DOMAIN_BLOCKED, &BLOCKED_OPS);

static IDENTITY_OPS: DomainOps = DomainOps(bindings::iommu_domain_ops {
    attach_dev: Some(attach_identity_callback),
    ..pin_init::zeroed()
});

static BLOCKED_OPS: DomainOps = DomainOps(bindings::iommu_domain_ops {
    attach_dev: Some(attach_blocked_callback),
    ..pin_init::zeroed()
});

const PAGING_OPS: bindings::iommu_domain_ops = bindings::iommu_domain_ops {
    attach_dev: Some(attach_paging_callback),
    map_pages: Some(map_pages_callback),
    unmap_pages: Some(unmap_pages_callback),
    flush_iotlb_all: Some(flush_iotlb_all_callback),
    iotlb_sync: Some(iotlb_sync_callback),
    iova_to_phys: Some(iova_to_phys_callback),
    enforce_cache_coherency: Some(enforce_cache_coherency_callback),
    free: Some(free_callback),
    ..pin_init::zeroed()
};

/// For paging domains.
pub(crate) static PAGING: DomainOps = DomainOps(PAGING_OPS);

/// For paging domains whose table says
/// [`flush_on_map`](iommu_core::table::Descriptor::flush_on_map).
static PAGING_FLUSH_ON_MAP: DomainOps = DomainOps(bindings::iommu_domain_ops {
    iotlb_sync_map: Some(iotlb_sync_map_callback),
    ..PAGING_OPS
});

/// Makes a paging domain that suits `dev`.
///
/// # Safety
///
/// Called by the C core, with a device that it has probed.
pub(crate) unsafe extern "C" fn alloc_paging_callback(
    dev: *mut bindings::device,
) -> *mut bindings::iommu_domain {
    // SAFETY: The C core asks only for devices it has probed.
    let device = unsafe { Device::of(dev) };
    match alloc_paging(device) {
        // The C core gets the address of the first field, and gives it back to `free_callback`.
        Ok(domain) => KBox::into_raw(domain).cast(),
        Err(e) => e.to_ptr(),
    }
}

fn alloc_paging(device: &Device) -> Result<KBox<PagingDomain>> {
    let endpoint = device.endpoint();
    let table = endpoint.instance().driver().alloc_table(endpoint)?;
    let about = *table.descriptor();
    let ops = if about.flush_on_map {
        &PAGING_FLUSH_ON_MAP
    } else {
        &PAGING
    };
    let mut c = bindings::iommu_domain {
        type_: bindings::IOMMU_DOMAIN_UNMANAGED,
        ops: ops.as_ptr(),
        // CAST: `unsigned long` has 64 bits.
        pgsize_bitmap: about.page_sizes.0 as usize,
        ..pin_init::zeroed()
    };
    c.geometry.aperture_start = 0;
    c.geometry.aperture_end = u64::MAX >> 64u32.saturating_sub(about.input_bits.into()).min(63);
    c.geometry.force_aperture = true;
    let domain = Domain::new(table.clone())?;
    // The C core does not take no for an answer when it attaches a device to its first domain.
    domain.reserve(endpoint.instance())?;
    Ok(KBox::new(
        PagingDomain {
            c: Opaque::new(c),
            domain,
            table,
            snoop: Atomic::new(false),
        },
        GFP_KERNEL,
    )?)
}

/// Frees a paging domain. Routes that still lead to it keep what hardware needs.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`], which it does not use again.
unsafe extern "C" fn free_callback(c: *mut bindings::iommu_domain) {
    // SAFETY: The C core frees what `alloc_paging_callback` gave it, and once.
    drop(unsafe { KBox::<PagingDomain>::from_raw(c.cast()) });
}

/// Points the RID route of `dev` at `target`.
///
/// # Safety
///
/// The C core has probed `dev`, and holds its group's lock.
unsafe fn attach(dev: *mut bindings::device, target: Target) -> c_int {
    // SAFETY: The caller says that the device was probed.
    let device = unsafe { Device::of(dev) };
    from_result(|| {
        device
            .group()?
            .attach(device.endpoint(), Route::Rid, target)?;
        Ok(0)
    })
}

/// Points the RID route of a device at a paging domain.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`], and a device
/// that it has probed and whose group it has locked.
unsafe extern "C" fn attach_paging_callback(
    c: *mut bindings::iommu_domain,
    dev: *mut bindings::device,
    _old: *mut bindings::iommu_domain,
) -> c_int {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    // SAFETY: The C core attaches only devices it has probed.
    unsafe { attach(dev, Target::Domain(this.domain.clone())) }
}

/// Lets the DMA of a device pass untranslated.
///
/// # Safety
///
/// Called by the C core, with a device that it has probed and whose group it has locked.
unsafe extern "C" fn attach_identity_callback(
    _c: *mut bindings::iommu_domain,
    dev: *mut bindings::device,
    _old: *mut bindings::iommu_domain,
) -> c_int {
    // SAFETY: The C core attaches only devices it has probed.
    unsafe { attach(dev, Target::Identity) }
}

/// Lets no DMA of a device pass.
///
/// # Safety
///
/// Called by the C core, with a device that it has probed and whose group it has locked.
unsafe extern "C" fn attach_blocked_callback(
    _c: *mut bindings::iommu_domain,
    dev: *mut bindings::device,
    _old: *mut bindings::iommu_domain,
) -> c_int {
    // SAFETY: The C core attaches only devices it has probed.
    unsafe { attach(dev, Target::Blocked) }
}

/// Maps pages. Any context.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`], a range that
/// nobody else uses meanwhile, and a counter at `mapped`.
unsafe extern "C" fn map_pages_callback(
    c: *mut bindings::iommu_domain,
    iova: c_ulong,
    paddr: bindings::phys_addr_t,
    pgsize: usize,
    pgcount: usize,
    prot: c_int,
    gfp: bindings::gfp_t,
    mapped: *mut usize,
) -> c_int {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    // CAST: Flags are not negative.
    let flag = |bit: u32| prot as u32 & bit != 0;
    let prot = Prot {
        read: flag(bindings::IOMMU_READ),
        write: flag(bindings::IOMMU_WRITE),
        snoop: read_once(&this.snoop),
    };
    let (bytes, result) = this.table.map(
        Iova(iova as u64),
        PhysAddr(paddr),
        pgsize,
        pgcount,
        prot,
        Gfp(gfp),
    );
    // SAFETY: The C core gives a counter of its own.
    unsafe { *mapped = bytes };
    match result {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// Unmaps pages. Any context.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`], a range that
/// nobody else uses meanwhile, and an initialised gather.
unsafe extern "C" fn unmap_pages_callback(
    c: *mut bindings::iommu_domain,
    iova: c_ulong,
    pgsize: usize,
    pgcount: usize,
    gather: *mut bindings::iommu_iotlb_gather,
) -> usize {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    // SAFETY: The C core gives an initialised gather, for this call alone.
    let gather = unsafe { Gather::from_raw(gather) };
    // Nothing wraps: the product is at most the size that the C core was asked to unmap.
    let len = pgsize.wrapping_mul(pgcount);
    this.table.unmap(Iova(iova as u64), len, gather)
}

/// Where an address leads; 0 if it is not mapped. Any context.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`], and an
/// address that nobody unmaps meanwhile.
unsafe extern "C" fn iova_to_phys_callback(
    c: *mut bindings::iommu_domain,
    iova: bindings::dma_addr_t,
) -> bindings::phys_addr_t {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    this.table.lookup(Iova(iova)).map_or(0, |pa| pa.0)
}

/// Sends the invalidation that unmaps owe. Any context.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`], and its gather.
unsafe extern "C" fn iotlb_sync_callback(
    c: *mut bindings::iommu_domain,
    gather: *mut bindings::iommu_iotlb_gather,
) {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    // SAFETY: The C core gives an initialised gather, for this call alone.
    this.domain.sync(unsafe { Gather::from_raw(gather) });
}

/// Drops all that is cached of a domain. Any context.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`].
unsafe extern "C" fn flush_iotlb_all_callback(c: *mut bindings::iommu_domain) {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    // There is nobody to tell; the driver has logged what went wrong.
    let _ = this.domain.flush_all();
}

/// Makes all mappings of a domain force accesses to snoop, if its table can. One that has mappings,
/// or tables left of them, stays as it is: those there do not.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`].
unsafe extern "C" fn enforce_cache_coherency_callback(c: *mut bindings::iommu_domain) -> bool {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    if this.snoop.load(Relaxed) {
        return true;
    }
    let can = this.table.descriptor().snoop_control && this.table.is_empty();
    if can {
        this.snoop.store(true, Relaxed);
    }
    can
}

/// Makes new mappings count on units that cache missing ones. Any context.
///
/// # Safety
///
/// Called by the C core, with a domain of [`alloc_paging_callback`].
unsafe extern "C" fn iotlb_sync_map_callback(
    c: *mut bindings::iommu_domain,
    iova: c_ulong,
    size: usize,
) -> c_int {
    // SAFETY: Only domains from `alloc_paging_callback` have this callback.
    let this = unsafe { PagingDomain::from_raw(c) };
    from_result(|| {
        let range = IovaRange::with_len(Iova(iova as u64), size as u64).ok_or(EINVAL)?;
        this.domain.sync_map(range)?;
        Ok(0)
    })
}
