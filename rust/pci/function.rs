// SPDX-License-Identifier: GPL-2.0

//! One PCI function.

use crate::c_str;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

#[allow(
    improper_ctypes,
    reason = "without lockdep, C structs contain empty ones"
)]
extern "C" {
    fn rust_iommu_helper_to_pci_dev(dev: *mut bindings::device) -> *mut bindings::pci_dev;
    fn rust_iommu_helper_pci_domain_nr(pdev: *mut bindings::pci_dev) -> i32;
    fn rust_iommu_helper_pci_dma_function(pdev: *mut bindings::pci_dev) -> *mut bindings::pci_dev;
    fn rust_iommu_helper_pci_physfn(pdev: *mut bindings::pci_dev) -> *mut bindings::pci_dev;
}

/// Device/port types in the PCI Express capabilities register (PCIe 7.5.3.2, bits 7:4).
pub(super) mod port_type {
    pub(in super::super) const ROOT_PORT: u16 = 0x4;
    pub(in super::super) const UPSTREAM: u16 = 0x5;
    pub(in super::super) const DOWNSTREAM: u16 = 0x6;
    pub(in super::super) const PCIE_TO_PCI_BRIDGE: u16 = 0x7;
    pub(in super::super) const PCI_TO_PCIE_BRIDGE: u16 = 0x8;
    pub(in super::super) const EVENT_COLLECTOR: u16 = 0xa;
}

/// A PCI function.
///
/// # Invariants
///
/// The object is a `struct pci_dev` whose reference count is not zero.
#[repr(transparent)]
pub struct Function(Opaque<bindings::pci_dev>);

// SAFETY: `struct pci_dev` is reference counted and may be used from any thread.
unsafe impl Send for Function {}
// SAFETY: What is read without a lock is fixed from the time the device is added, except
// `subordinate`, which is only compared with null and followed where a comment says why.
unsafe impl Sync for Function {}

// SAFETY: The reference count is that of the embedded `struct device`.
unsafe impl AlwaysRefCounted for Function {
    fn inc_ref(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::pci_dev_get(self.as_raw()) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: The caller gives up one reference.
        unsafe { bindings::pci_dev_put(this.cast().as_ptr()) };
    }
}

impl Function {
    /// The function that `dev` is; `None` if it is no PCI function.
    ///
    /// # Safety
    ///
    /// `dev` points to a device that stays allocated during `'a`.
    pub unsafe fn from_device<'a>(dev: *mut bindings::device) -> Option<&'a Self> {
        // SAFETY: The caller gives a live device.
        let pdev = unsafe { rust_iommu_helper_to_pci_dev(dev) };
        // SAFETY: Null, or the `struct pci_dev` around a device that outlives `'a`; `Function` is
        // transparent.
        unsafe { pdev.cast::<Self>().as_ref() }
    }

    /// The function behind a pointer.
    ///
    /// # Safety
    ///
    /// `pdev` points to a `struct pci_dev` that stays allocated during `'a`.
    pub(super) unsafe fn from_raw<'a>(pdev: *mut bindings::pci_dev) -> &'a Self {
        // SAFETY: The caller gives a live object; `Function` is transparent.
        unsafe { &*pdev.cast::<Self>() }
    }

    /// The `struct pci_dev`.
    pub(super) fn as_raw(&self) -> *mut bindings::pci_dev {
        self.0.get()
    }

    /// The `struct device` inside, for C functions that take one.
    pub fn as_device(&self) -> *mut bindings::device {
        // SAFETY: By the type invariant; only the address is taken.
        unsafe { &raw mut (*self.as_raw()).dev }
    }

    /// The name, as in `0000:00:02.0`.
    pub fn name(&self) -> &CStr {
        // SAFETY: A device that was added has a name, which stays as long as the device.
        unsafe { c_str::from_char_ptr(bindings::dev_name(self.as_device())) }
    }

    /// The segment (PCI domain).
    pub fn segment(&self) -> u32 {
        // SAFETY: By the type invariant.
        let segment = unsafe { rust_iommu_helper_pci_domain_nr(self.as_raw()) };
        // CAST: Segments are not negative.
        segment as u32
    }

    /// Number of the bus that the function sits on.
    pub fn bus(&self) -> u8 {
        // SAFETY: By the type invariant; a function has a bus for as long as it exists.
        unsafe { (*(*self.as_raw()).bus).number }
    }

    /// Device (bits 7:3) and function (bits 2:0) number.
    pub fn devfn(&self) -> u8 {
        // SAFETY: By the type invariant.
        let devfn = unsafe { (*self.as_raw()).devfn };
        // CAST: `devfn` has eight bits.
        devfn as u8
    }

    /// Base class (bits 15:8) and subclass (bits 7:0).
    pub fn class(&self) -> u16 {
        // SAFETY: By the type invariant.
        let class = unsafe { (*self.as_raw()).class };
        // CAST: The programming interface is left out, 16 bits remain.
        (class >> 8) as u16
    }

    /// Vendor and device ID.
    pub fn ids(&self) -> (u16, u16) {
        // SAFETY: By the type invariant.
        unsafe { ((*self.as_raw()).vendor, (*self.as_raw()).device) }
    }

    /// Whether firmware says that what is plugged in where the function is cannot be trusted.
    pub fn is_untrusted(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { (*self.as_raw()).untrusted() != 0 }
    }

    /// Four bytes of config space, at an offset that is a multiple of four, of a function of the
    /// same bus; `None` if it does not answer.
    pub fn config_of_neighbour(&self, devfn: u8, offset: u16) -> Option<u32> {
        let mut value = 0u32;
        // SAFETY: By the type invariant; a function has a bus for as long as it exists.
        let status = unsafe {
            bindings::pci_bus_read_config_dword(
                (*self.as_raw()).bus,
                devfn.into(),
                offset.into(),
                &raw mut value,
            )
        };
        // Who does not answer reads as all ones.
        (status == 0 && value != u32::MAX).then_some(value)
    }

    /// The requester ID of the function itself.
    pub fn rid(&self) -> u32 {
        u32::from(self.bus()) << 8 | u32::from(self.devfn())
    }

    /// The bridge above the function; `None` on a root bus, and on the virtual buses of SR-IOV.
    pub fn bridge(&self) -> Option<&Self> {
        // SAFETY: By the type invariant; the bridge above outlives the functions below it.
        unsafe { (*(*self.as_raw()).bus).self_.cast::<Self>().as_ref() }
    }

    /// Whether the function is part of the hierarchy itself, a bridge or a root complex event
    /// collector: such a function does no DMA but for its interrupts.
    pub fn is_port(&self) -> bool {
        // SAFETY: By the type invariant.
        let is_bridge = unsafe { !(*self.as_raw()).subordinate.is_null() };
        is_bridge || self.port_type() == Some(port_type::EVENT_COLLECTOR)
    }

    /// One of [`port_type`]; `None` if the function is not a PCI Express one.
    pub(super) fn port_type(&self) -> Option<u16> {
        let pdev = self.as_raw();
        // SAFETY: By the type invariant.
        let (capability, flags) = unsafe { ((*pdev).pcie_cap, (*pdev).pcie_flags_reg) };
        (capability != 0).then_some(flags >> 4 & 0xf)
    }

    /// The function that puts the DMA of this one on the bus, with a requester ID of its own: the
    /// VMD controller (Intel Volume Management Device) for a function behind one, for any other
    /// the function itself.
    pub fn dma_function(&self) -> &Self {
        // SAFETY: By the type invariant; a VMD controller outlives the functions behind it.
        unsafe { Self::from_raw(rust_iommu_helper_pci_dma_function(self.as_raw())) }
    }

    /// Whether another function puts the DMA of this one on the bus.
    pub fn is_behind_vmd(&self) -> bool {
        !core::ptr::eq(self, self.dma_function())
    }

    /// For a virtual function the physical one, for any other the function itself: firmware
    /// names physical functions only.
    pub fn physical(&self) -> &Self {
        // SAFETY: By the type invariant; the physical function outlives its virtual ones.
        unsafe { Self::from_raw(rust_iommu_helper_pci_physfn(self.as_raw())) }
    }
}

/// Every PCI function of the machine, as far as found now.
pub fn all() -> impl Iterator<Item = ARef<Function>> {
    let mut last: Option<ARef<Function>> = None;
    let functions = core::iter::from_fn(move || {
        let from = match last.take() {
            // The call below gives up the reference.
            Some(function) => ARef::into_raw(function).cast().as_ptr(),
            None => ptr::null_mut(),
        };
        // SAFETY: `from` is null, or a function with a reference that the call takes over.
        let pdev = unsafe { bindings::pci_get_device(PCI_ANY_ID, PCI_ANY_ID, from) };
        let pdev = NonNull::new(pdev.cast::<Function>())?;
        // SAFETY: The call returned a reference, which the `ARef` takes over.
        let function = unsafe { ARef::from_raw(pdev) };
        last = Some(function.clone());
        Some(function)
    });
    // After the last one the search would start over.
    functions.fuse()
}

/// Matches any vendor and any device.
const PCI_ANY_ID: u32 = !0;
