// SPDX-License-Identifier: GPL-2.0

//! Address Translation Services: a device asks the IOMMU for translations, keeps them in a TLB of
//! its own, and sends requests that are translated already (PCIe 10).
//!
//! C header: [`include/linux/pci-ats.h`](srctree/include/linux/pci-ats.h)

use super::Function;
use crate::addr::PAGE_SIZE;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

#[allow(
    improper_ctypes,
    reason = "without lockdep, C structs contain empty ones"
)]
extern "C" {
    fn pci_ats_supported(pdev: *mut bindings::pci_dev) -> bool;
    fn pci_prepare_ats(pdev: *mut bindings::pci_dev, page_shift: c_int) -> c_int;
    fn pci_enable_ats(pdev: *mut bindings::pci_dev, page_shift: c_int) -> c_int;
    fn pci_disable_ats(pdev: *mut bindings::pci_dev);
}

/// Offset of the capability register in the ATS extended capability.
const PCI_ATS_CAP: i32 = 4;

/// The smallest page that translations are for.
const PAGE_SHIFT: c_int = PAGE_SIZE.trailing_zeros() as c_int;

impl Function {
    /// Whether the function has ATS and may use it: what the kernel calls untrusted may not, as a
    /// request that is translated already is not checked.
    pub fn has_ats(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { pci_ats_supported(self.as_raw()) }
    }

    /// Sets the page size for when ATS is turned on, here or at virtual functions of this one:
    /// they share it, so it is set before there are any.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the function has no ATS.
    /// - `EBUSY`: ATS is on.
    pub fn prepare_ats(&self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { pci_prepare_ats(self.as_raw(), PAGE_SHIFT) })
    }

    /// Turns ATS on.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the function has no ATS, or its physical function was not prepared.
    /// - `EBUSY`: ATS is on.
    pub fn enable_ats(&self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { pci_enable_ats(self.as_raw(), PAGE_SHIFT) })
    }

    /// Turns ATS off, which was on.
    pub fn disable_ats(&self) {
        // SAFETY: By the type invariant.
        unsafe { pci_disable_ats(self.as_raw()) }
    }

    /// How many invalidations the function can hold, as its capability says it (PCIe 10.5.1.2): 0
    /// stands for 32. A virtual function uses the queue of its physical one, and says 0.
    pub fn ats_queue_depth(&self) -> u8 {
        const DEPTH: u16 = 0x1f;
        // CAST: Five bits.
        (self.ats_capability() & DEPTH) as u8
    }

    /// Whether all addresses that the function asks translations for are those of pages (PCIe
    /// 10.5.1.2, Page Aligned Request). VT-d takes no others.
    pub fn is_ats_page_aligned(&self) -> bool {
        const PAGE_ALIGNED: u16 = 1 << 5;
        self.ats_capability() & PAGE_ALIGNED != 0
    }

    /// The ATS capability register (PCIe 10.5.1.2).
    fn ats_capability(&self) -> u16 {
        let pdev = self.as_raw();
        // SAFETY: By the type invariant.
        let position = i32::from(unsafe { (*pdev).ats_cap });
        let mut capability = 0u16;
        // SAFETY: By the type invariant; a function without ATS has something harmless there.
        unsafe { bindings::pci_read_config_word(pdev, position + PCI_ATS_CAP, &mut capability) };
        capability
    }

    /// Whether the kernel has noticed that the function is no longer there. Any context.
    pub fn is_disconnected(&self) -> bool {
        // SAFETY: By the type invariant; the field is one word, which any context may change.
        let state = unsafe { (&raw const (*self.as_raw()).error_state).read_volatile() };
        state == bindings::pci_channel_io_perm_failure
    }
}
