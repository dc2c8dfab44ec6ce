// SPDX-License-Identifier: GPL-2.0

//! Specs: which instance a device names, and the requester IDs its DMA carries.

use iommu_core::firmware::{
    self,
    Hop,
    Path, //
};
use iommu_ext::{
    fwnode,
    pci::Function,
    vec::KVecExt, //
};
use kernel::prelude::*;

/// What a device says about the IOMMU in front of it.
pub(crate) struct Spec {
    /// Node of the unit.
    pub(crate) unit: fwnode::Key,
    /// Every requester ID the device's DMA may carry.
    pub(crate) ids: KVec<u32>,
}

impl Spec {
    /// The spec of a PCI function, from the scopes that firmware published; `None` if no unit
    /// translates the function.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn of_pci(function: &Function) -> Result<Option<Self>> {
        unit_of(function)?
            .map(|unit| {
                Ok(Self {
                    unit,
                    ids: function.requester_ids()?,
                })
            })
            .transpose()
    }
}

/// The node of the unit that translates a PCI function; `None` if firmware names none.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn unit_of(function: &Function) -> Result<Option<fwnode::Key>> {
    with_path(function, firmware::unit_of)
}

/// Calls `f` with where firmware sees the function: a virtual function where its physical one is,
/// and one behind a VMD controller where the controller is.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn with_path<R>(function: &Function, f: impl FnOnce(&Path<'_>) -> R) -> Result<R> {
    let carrier = function.dma_function();
    let physical = carrier.physical();
    let mut hops = KVec::new();
    let mut next = Some(physical);
    while let Some(function) = next {
        hops.try_push(
            Hop {
                bus: function.bus(),
                devfn: function.devfn(),
            },
            GFP_KERNEL,
        )?;
        next = function.bridge();
    }
    hops.reverse();
    Ok(f(&Path {
        segment: physical.segment(),
        hops: &hops,
        is_virtual: !core::ptr::eq(carrier, physical),
    }))
}
