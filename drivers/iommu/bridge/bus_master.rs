// SPDX-License-Identifier: GPL-2.0

//! Bus mastering of PCI functions: how a function's DMA is stopped if its unit is lost.

use iommu_core::endpoint;
use iommu_ext::pci::Function;
use kernel::sync::aref::ARef;

/// Bus mastering of one function. Holds a reference to it.
pub(crate) struct BusMaster(ARef<Function>);

impl BusMaster {
    /// That of `function`.
    pub(crate) fn of(function: &Function) -> Self {
        Self(function.into())
    }
}

impl endpoint::BusMaster for BusMaster {
    fn stop(&self) {
        self.0.stop_bus_mastering();
    }
}
