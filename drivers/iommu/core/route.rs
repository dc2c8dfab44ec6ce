// SPDX-License-Identifier: GPL-2.0

//! Routes: the ways into a domain, and what hardware is told about each.

use crate::{
    instance::Tag,
    table::Descriptor, //
};
use kernel::prelude::*;

/// A process address space ID as devices send it: 1 to 2^20 - 1.
///
/// PCI calls it PASID, the SMMU SubstreamID. 0 is not a `Pasid`: traffic without one takes
/// [`Route::Rid`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pasid(u32);

impl Pasid {
    /// Largest PASID that any bus can carry (PCIe 6.20: 20 bits).
    pub const MAX: u32 = (1 << 20) - 1;

    /// Makes a PASID.
    ///
    /// # Errors
    ///
    /// `EINVAL` for 0 and for values above [`Pasid::MAX`].
    pub const fn new(value: u32) -> Result<Self> {
        if value == 0 || value > Self::MAX {
            return Err(EINVAL);
        }
        Ok(Self(value))
    }

    /// The number.
    pub const fn value(self) -> u32 {
        self.0
    }
}

/// One way from an endpoint into a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Traffic that carries no PASID.
    Rid,
    /// Traffic that carries this PASID.
    Pasid(Pasid),
}

/// What the hardware entry of a route is to say.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// No DMA passes.
    Blocked,
    /// DMA passes untranslated.
    Identity,
    /// DMA is translated by a table, and cached under a tag.
    Table {
        /// How hardware walks the table.
        table: &'a Descriptor,
        /// What this instance's TLB calls the domain.
        tag: Tag,
        /// Whether the device may ask for translations, and use them ([`ats`](crate::ats)).
        device_tlb: bool,
    },
}

#[kernel::macros::kunit_tests(rust_iommu_routes)]
mod tests {
    use super::*;

    /// PCIe 6.20: 20 bits. 0 is no PASID here.
    #[test]
    fn pasids_have_20_bits() -> Result {
        for value in [1, 2, 0xffff, 0x1_0000, 0xf_ffff] {
            assert_eq!(Pasid::new(value)?.value(), value);
        }
        for value in [0, 0x10_0000, 0x10_0001, u32::MAX] {
            assert_eq!(Pasid::new(value), Err(EINVAL));
        }
        assert_eq!(Pasid::MAX, 0xf_ffff);
        Ok(())
    }

    #[test]
    fn routes_are_told_apart() -> Result {
        let [one, two] = [Pasid::new(1)?, Pasid::new(2)?];
        assert!(Route::Rid != Route::Pasid(one));
        assert!(Route::Pasid(one) != Route::Pasid(two));
        assert_eq!(Route::Pasid(two), Route::Pasid(Pasid::new(2)?));
        assert!(one < two);
        Ok(())
    }
}
