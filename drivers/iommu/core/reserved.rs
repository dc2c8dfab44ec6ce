// SPDX-License-Identifier: GPL-2.0

//! Reserved regions: I/O virtual addresses that are not free for mappings of one's own.
//!
//! Some are reserved for history's sake. Firmware names memory that USB controllers and graphics
//! use before the kernel drives them, and floppy drives behind an ISA bridge do DMA below 16 MiB
//! without the kernel's knowledge of who asks for it. Such a region is mapped 1:1 while the kernel
//! drives the device, and does not keep the device from being given away (to VFIO, for example).

use crate::{
    endpoint::Endpoint,
    firmware::{
        self,
        Path, //
    }, //
};
use iommu_ext::addr::{
    Iova,
    IovaRange, //
};

/// Why a region is reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Firmware has the device use this memory: it must be mapped 1:1 at every moment.
    Direct,
    /// As `Direct`, but only as long as the kernel's own driver has the device.
    DirectRelaxable,
    /// The hardware takes writes there for interrupts and does not translate them.
    Msi,
}

/// A region that mappings must keep out of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// The addresses.
    pub range: IovaRange,
    /// Why they are reserved.
    pub kind: Kind,
}

/// The addresses of ISA DMA: the controller has 24 address lines.
const ISA: Option<IovaRange> = IovaRange::new(Iova(0), Iova((1 << 24) - 1));

/// What a PCI function is, as far as reserved regions depend on it: base class and subclass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(pub u16);

impl Class {
    const DISPLAY: u16 = 0x03;
    const ISA_BRIDGE: Self = Self(0x0601);
    const USB: Self = Self(0x0c03);

    /// Whether firmware's regions for such a function are history once the kernel drives it.
    fn outgrows_firmware(self) -> bool {
        self == Self::USB || self.0 >> 8 == Self::DISPLAY
    }
}

/// Calls `f` with each region that is reserved for `endpoint`, of class `class`, which sits at
/// `path`.
pub fn for_each(endpoint: &Endpoint, class: Class, path: &Path<'_>, mut f: impl FnMut(Region)) {
    let kind = if class.outgrows_firmware() {
        Kind::DirectRelaxable
    } else {
        Kind::Direct
    };
    firmware::reserved_for(path, |range| f(Region { range, kind }));
    if let Some(range) = ISA.filter(|_| class == Class::ISA_BRIDGE) {
        f(Region {
            range,
            kind: Kind::DirectRelaxable,
        });
    }
    if let Some(range) = endpoint.instance().limits().msi_window {
        f(Region {
            range,
            kind: Kind::Msi,
        });
    }
}

#[kernel::macros::kunit_tests(rust_iommu_reserved)]
mod tests {
    use super::*;
    use crate::{
        driver::Limits,
        firmware::{
            made_up::{
                hop,
                list,
                memory,
                nothing,
                scope, //
            },
            Description,
            Publication, //
        },
        recorder::{
            Unit,
            LIMITS, //
        }, //
    };
    use iommu_ext::vec::KVecExt;
    use kernel::prelude::*;

    /// That no machine has.
    const SEGMENT: u32 = 0x3_0000;

    const MSI: IovaRange = match IovaRange::new(Iova(0xfee0_0000), Iova(0xfeef_ffff)) {
        Some(range) => range,
        None => unreachable!(),
    };

    const DIRECT: Region = Region {
        range: match IovaRange::new(Iova(0x7000), Iova(0x7fff)) {
            Some(range) => range,
            None => unreachable!(),
        },
        kind: Kind::Direct,
    };

    fn regions(unit: &mut Unit, class: u16, is_virtual: bool, device: u8) -> Result<KVec<Region>> {
        let endpoint = unit.endpoint(&[0x10])?;
        let hops = [hop(0, device, 0)];
        let path = Path {
            segment: SEGMENT,
            hops: &hops,
            is_virtual,
        };
        let mut regions = KVec::new();
        let mut pushed = Ok(());
        for_each(&endpoint, Class(class), &path, |region| {
            if let Err(e) = regions.try_push(region, GFP_KERNEL) {
                pushed = Err(e);
            }
        });
        pushed?;
        Ok(regions)
    }

    #[test]
    fn by_class_and_scope() -> Result {
        let mut unit = Unit::new(Limits {
            msi_window: Some(MSI),
            ..LIMITS
        })?;
        let _publication = Publication::new(Description {
            reserved: list([memory(SEGMENT, 0x7000, [scope(0, [2 << 3])?])?])?,
            ..nothing()
        })?;
        let relaxable = Region {
            kind: Kind::DirectRelaxable,
            ..DIRECT
        };
        let isa = Region {
            range: ISA.ok_or(EINVAL)?,
            kind: Kind::DirectRelaxable,
        };
        let msi = Region {
            range: MSI,
            kind: Kind::Msi,
        };
        assert_eq!(isa.range.last(), Iova(0xff_ffff));
        for (class, is_virtual, device, expected) in [
            // An Ethernet card, and one beside it.
            (0x0200, false, 2, &[DIRECT, msi][..]),
            (0x0200, false, 3, &[msi]),
            (0x0200, true, 2, &[msi]),
            // Displays of three kinds, a USB controller, and its neighbour in the class.
            (0x0300, false, 2, &[relaxable, msi]),
            (0x0302, false, 2, &[relaxable, msi]),
            (0x0380, false, 2, &[relaxable, msi]),
            (0x0c03, false, 2, &[relaxable, msi]),
            (0x0c05, false, 2, &[DIRECT, msi]),
            // Bridges: to ISA, and to the host.
            (0x0601, false, 3, &[isa, msi]),
            (0x0601, false, 2, &[DIRECT, isa, msi]),
            (0x0600, false, 3, &[msi]),
        ] {
            let found = regions(&mut unit, class, is_virtual, device)?;
            assert_eq!(&found[..], expected);
        }
        Ok(())
    }

    #[test]
    fn a_unit_without_interrupt_window_reserves_none() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        assert!(regions(&mut unit, 0x0200, false, 3)?.is_empty());
        Ok(())
    }
}
