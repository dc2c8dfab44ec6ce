// SPDX-License-Identifier: GPL-2.0

//! Access Control Services: whether peers can reach each other past the IOMMU (PCIe 6.12).
//!
//! The kernel turns ACS on only if an IOMMU driver asked before the buses were scanned
//! (`pci_request_acs()`, not exported). It reads the control bits back from the device when it
//! forms groups, so a module may set them later. What the command line says about ACS
//! (`pci=config_acs=`, `pci=disable_acs_redir=`) the kernel applies again, to each function,
//! before it asks the IOMMU about it: so it keeps the last word.

use super::{
    function::port_type,
    Function, //
};
use kernel::bindings;

/// Offset of the control register in the ACS extended capability.
const PCI_ACS_CTRL: i32 = 6;

/// Source validation, P2P request redirect, P2P completion redirect, upstream forwarding.
const ISOLATION: u16 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4;
/// Translation blocking: requests that claim to be translated already do not pass.
const TRANSLATION_BLOCKING: u16 = 1 << 1;

impl Function {
    /// Turns on what the function has of ACS that keeps it apart from its peers. Where untrusted
    /// devices can be plugged in, or no device is to use ATS (`pci=noats`), also turns on what
    /// keeps devices from lying about translation. May be called in any context.
    pub fn enable_acs(&self) {
        let Some(acs) = Acs::read(self) else {
            return;
        };
        let pdev = self.as_raw();
        // SAFETY: By the type invariant.
        let exposed = unsafe { (*pdev).external_facing() | (*pdev).untrusted() } != 0;
        // SAFETY: The function only reads what the command line said.
        let no_ats = unsafe { bindings::pci_ats_disabled() };
        let wanted = acs.wanted(exposed || no_ats);
        if wanted != acs.control {
            // What fails is not isolated, and grouped accordingly.
            // SAFETY: By the type invariant; the register is where the kernel found it.
            unsafe { bindings::pci_write_config_word(pdev, acs.position + PCI_ACS_CTRL, wanted) };
        }
    }

    /// What `f` finds first among the downstream ports of the switch that this port is one of,
    /// itself included, if requests from behind one can turn around in the switch and reach what
    /// is behind another, past the IOMMU: at least one of the ports has no ACS, or has it off.
    /// `None` for any other function.
    pub fn find_peer_past_the_iommu<T>(&self, f: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let is_port = |port: &Self| port.port_type() == Some(port_type::DOWNSTREAM);
        let is_here = |other: &Self| {
            is_port(other) && other.segment() == self.segment() && other.bus() == self.bus()
        };
        if !is_port(self) || !super::all().any(|other| is_here(&other) && !other.redirects()) {
            return None;
        }
        super::all().find_map(|other| is_here(&other).then(|| f(&other))?)
    }

    /// Whether what comes from behind this port goes up to the IOMMU: of what ACS it has, all
    /// that isolates is on.
    fn redirects(&self) -> bool {
        Acs::read(self).is_some_and(|acs| acs.capability & ISOLATION & !acs.control == 0)
    }
}

/// The registers of the ACS extended capability.
struct Acs {
    /// Where in config space, in bytes.
    position: i32,
    /// What the function has, as the kernel knows it: without what is known to be broken. (Some
    /// switches drop completions with source validation on, until a bus number is known below.)
    capability: u16,
    control: u16,
}

impl Acs {
    /// What the control register is to say: what is on stays on. `block_translated`: no request
    /// from behind the port may claim to be translated already.
    fn wanted(&self, block_translated: bool) -> u16 {
        let all = if block_translated {
            ISOLATION | TRANSLATION_BLOCKING
        } else {
            ISOLATION
        };
        self.control | (self.capability & all)
    }

    /// `None` if the function has no ACS, or does not answer.
    fn read(function: &Function) -> Option<Self> {
        let pdev = function.as_raw();
        // SAFETY: By the type invariant of `Function`.
        let (position, capability) = unsafe { ((*pdev).acs_cap, (*pdev).acs_capabilities) };
        let position = i32::from(position);
        if position == 0 {
            return None;
        }
        let mut control = 0;
        // SAFETY: By the type invariant; the register is where the kernel found it.
        let status = unsafe {
            bindings::pci_read_config_word(pdev, position + PCI_ACS_CTRL, &raw mut control)
        };
        // A function that does not answer reads as all ones.
        (status == 0 && control != u16::MAX).then_some(Self {
            position,
            capability,
            control,
        })
    }
}

#[kernel::macros::kunit_tests(rust_iommu_ext_acs)]
mod tests {
    use super::*;

    /// PCIe 7.7.11.2: bit 0 is source validation, 1 translation blocking, 2 and 3 redirect of
    /// requests and completions, 4 upstream forwarding, 5 egress control, 6 direct translated P2P.
    #[test]
    fn what_is_turned_on() {
        let wanted = |capability, control, block_translated| {
            let acs = Acs {
                position: 0x148,
                capability,
                control,
            };
            acs.wanted(block_translated)
        };
        assert_eq!(wanted(0x7f, 0, false), 0x1d);
        assert_eq!(wanted(0x7f, 0, true), 0x1f);
        // What the port does not have stays off.
        assert_eq!(wanted(0x1d, 0, true), 0x1d);
        // Source validation is known to be broken.
        assert_eq!(wanted(0x7e, 0, false), 0x1c);
        assert_eq!(wanted(0, 0, true), 0);
        // What firmware has turned on stays on.
        assert_eq!(wanted(0x7f, 0x60, false), 0x7d);
    }
}
