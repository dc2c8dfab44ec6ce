// SPDX-License-Identifier: GPL-2.0

//! Access Control Services: whether peers can reach each other past the IOMMU (PCIe 6.12).
//!
//! The kernel turns ACS on only if an IOMMU driver asked before the buses were scanned
//! (`pci_request_acs()`, not exported). It reads the control bits back from the device when it
//! forms groups, so a module may set them later. What the command line says about ACS
//! (`pci=config_acs=`, `pci=disable_acs_redir=`) the kernel applies again, to each function,
//! before it asks the IOMMU about it: so it keeps the last word.

use super::Function;
use kernel::bindings;

/// Offset of the capability register in the ACS extended capability.
const PCI_ACS_CAP: i32 = 4;
/// Offset of the control register.
const PCI_ACS_CTRL: i32 = 6;

/// Source validation, P2P request redirect, P2P completion redirect, upstream forwarding.
const ISOLATION: u16 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4;
/// Translation blocking: requests that claim to be translated already do not pass.
const TRANSLATION_BLOCKING: u16 = 1 << 1;

impl Function {
    /// Turns on what the function has of ACS that keeps it apart from its peers, and, where
    /// untrusted devices can be plugged in, what keeps them from lying about translation.
    pub fn enable_acs(&self) {
        let pdev = self.as_raw();
        // SAFETY: By the type invariant.
        let position = i32::from(unsafe { (*pdev).acs_cap });
        if position == 0 {
            return;
        }
        // SAFETY: By the type invariant.
        let exposed = unsafe { (*pdev).external_facing() | (*pdev).untrusted() } != 0;
        let wanted = if exposed {
            ISOLATION | TRANSLATION_BLOCKING
        } else {
            ISOLATION
        };
        let (mut capability, mut control) = (0u16, 0u16);
        // SAFETY: By the type invariant; the register is where the kernel found it.
        let read = |offset: i32, value: &mut u16| unsafe {
            bindings::pci_read_config_word(pdev, position + offset, value)
        };
        let failed =
            read(PCI_ACS_CAP, &mut capability) != 0 || read(PCI_ACS_CTRL, &mut control) != 0;
        let wanted = control | (capability & wanted);
        if failed || wanted == control {
            return;
        }
        // What fails is not isolated, and grouped accordingly.
        // SAFETY: As above.
        unsafe { bindings::pci_write_config_word(pdev, position + PCI_ACS_CTRL, wanted) };
    }
}
