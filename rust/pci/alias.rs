// SPDX-License-Identifier: GPL-2.0

//! DMA aliases: the requester IDs under which a function's DMA arrives at the IOMMU.
//!
//! A function uses its own ID, and those that a quirk lists for it. Bridges from PCI Express to
//! conventional PCI take over what comes from behind them (PCI Express to PCI/PCI-X Bridge
//! Specification, 2.3): it arrives as function 0 of their secondary bus. A conventional bridge
//! uses its own ID instead. What is behind a VMD controller, in a PCI segment that the kernel made
//! up for it, does DMA with the controller's ID.
//!
//! The kernel's `pci_for_each_dma_alias()` is not exported.

use super::{
    function::port_type,
    Function, //
};
use crate::vec::KVecExt;
use kernel::{
    bindings,
    prelude::*, //
};

/// Function numbers of a bus: 32 devices of 8 functions.
const DEVFNS: u32 = 256;

/// What a bridge makes of the requester IDs that pass it upstream.
enum Upstream {
    /// It forwards them.
    Forwarded,
    /// It puts this one in their place, at least for some transactions.
    Alias(u32),
    /// Translation happens in the bridge: what is above it does not matter.
    Translated,
}

impl Function {
    /// Every requester ID that the function's DMA may carry where the IOMMU sees it, each once,
    /// its own (that of its [`dma_function`](Self::dma_function)) first.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn requester_ids(&self) -> Result<KVec<u32>> {
        let function = self.dma_function();
        let mut ids = KVec::new();
        add(&mut ids, function.rid())?;
        let own_bus = function.rid() & !0xff;
        for devfn in (0..DEVFNS).filter(|devfn| function.has_alias(*devfn)) {
            add(&mut ids, own_bus | devfn)?;
        }
        let mut below = function;
        while let Some(bridge) = below.bridge() {
            match bridge.upstream(below.bus()) {
                Upstream::Forwarded => (),
                Upstream::Alias(id) => add(&mut ids, id)?,
                Upstream::Translated => break,
            }
            below = bridge;
        }
        Ok(ids)
    }

    /// Whether a quirk says that the function also sends as `devfn` of its bus.
    fn has_alias(&self, devfn: u32) -> bool {
        // SAFETY: By the type invariant.
        let mask = unsafe { (*self.as_raw()).dma_alias_mask };
        if mask.is_null() || devfn >= DEVFNS {
            return false;
        }
        // SAFETY: The mask has a bit for each of the 256 function numbers, and `devfn` is one.
        let word = unsafe { *mask.add((devfn / usize::BITS) as usize) };
        word >> (devfn % usize::BITS) & 1 != 0
    }

    /// What this bridge makes of requester IDs. `secondary`: number of the bus below it.
    fn upstream(&self, secondary: u8) -> Upstream {
        // Device 0, function 0 there.
        let secondary_id = u32::from(secondary) << 8;
        let pdev = self.as_raw();
        // SAFETY: By the type invariant.
        let flags = unsafe { (*pdev).dev_flags };
        let flag = |bit: u32| u32::from(flags) & bit != 0;

        if flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_BRIDGE_XLATE_ROOT) {
            return Upstream::Translated;
        }
        let Some(port_type) = self.port_type() else {
            return Upstream::Alias(
                if flag(bindings::pci_dev_flags_PCI_DEV_FLAG_PCIE_BRIDGE_ALIAS) {
                    secondary_id
                } else {
                    self.rid()
                },
            );
        };
        match port_type {
            port_type::ROOT_PORT | port_type::UPSTREAM | port_type::DOWNSTREAM => {
                Upstream::Forwarded
            }
            port_type::PCIE_TO_PCI_BRIDGE
                if flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_PCI_BRIDGE_NO_ALIAS) =>
            {
                Upstream::Forwarded
            }
            port_type::PCIE_TO_PCI_BRIDGE => Upstream::Alias(secondary_id),
            port_type::PCI_TO_PCIE_BRIDGE => Upstream::Alias(self.rid()),
            _ => Upstream::Forwarded,
        }
    }
}

fn add(ids: &mut KVec<u32>, id: u32) -> Result {
    if !ids.contains(&id) {
        ids.try_push(id, GFP_KERNEL)?;
    }
    Ok(())
}
