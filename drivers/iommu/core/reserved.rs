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
