// SPDX-License-Identifier: GPL-2.0

//! What a PCI function says it is, for the quirks of hardware drivers.

use iommu_core::quirks::{
    self,
    Place, //
};
use iommu_ext::pci::Function;

/// Calls `f` with a description of the function.
pub fn with<R>(function: &Function, f: impl FnOnce(&quirks::Function<'_>) -> R) -> R {
    let (vendor, device) = function.ids();
    let place = if function.is_untrusted() {
        Place::Untrusted
    } else if function.physical().bridge().is_none() {
        Place::RootBus
    } else {
        Place::BelowABridge
    };
    f(&quirks::Function {
        vendor,
        device,
        class: function.class(),
        place,
        devfn: function.devfn(),
        config: &|devfn, offset| function.config_of_neighbour(devfn, offset),
    })
}
