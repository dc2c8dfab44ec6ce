// SPDX-License-Identifier: GPL-2.0

//! Quirks: functions and chipsets that do not do what the specification says.
//!
//! There is one file per vendor, and one place where it is chosen, by PCI IDs: [`of_function`] for
//! a function that is behind a unit, [`Chipset::note`] for each function of the machine, as some
//! say what is wrong with the units. What is in a vendor's file says what is known, and how the
//! kernel's own driver treats it. Nothing here touches hardware but for reading config space.
//! Documentation/quirks.rst has all of them in one table.

mod intel;

use iommu_core::quirks::{
    Applied,
    Function,
    Place, //
};
use iommu_ext::addr::PhysAddr;

/// Whether the DMA of integrated graphics is translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Graphics {
    /// It passes by default, as Debian's kernel has it (INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF).
    Passes,
    /// It is translated as that of other devices, where it can be.
    Translated,
}

/// What is known of the machine that a unit is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chipset {
    graphics: Graphics,
    /// Graphics do not work with translation on: a unit that has nothing else is left out.
    pub(crate) has_broken_graphics: bool,
    /// Graphics must be idle before a flush.
    has_strict_graphics: bool,
    /// Units buffer writes of their tables, whatever CAP_REG.RWBF says.
    pub(crate) buffers_writes: bool,
    /// The unit for isochronous traffic, that of audio, has no TLB entries.
    has_no_isochronous_tlb: bool,
}

impl Chipset {
    /// A machine of which nothing is known yet.
    pub(crate) const fn new(graphics: Graphics) -> Self {
        Self {
            graphics,
            has_broken_graphics: false,
            has_strict_graphics: false,
            buffers_writes: false,
            has_no_isochronous_tlb: false,
        }
    }

    /// Looks at one function of the machine. Returns what that tells about the machine, for the
    /// log; `None` if it is nothing.
    pub(crate) fn note(&mut self, function: &Function<'_>) -> Option<&'static str> {
        match (function.place, function.vendor) {
            // It is what it says only as far as it can be trusted.
            (Place::Untrusted, _) => None,
            (_, intel::VENDOR) => intel::note(self, function),
            _ => None,
        }
    }
}

/// What must be done about `function`, which firmware puts behind the unit with its registers at
/// `base`.
pub(crate) fn of_function(
    function: &Function<'_>,
    chipset: &Chipset,
    base: PhysAddr,
) -> Option<Applied> {
    match function.vendor {
        intel::VENDOR => intel::of_function(function, chipset, base),
        _ => None,
    }
}
