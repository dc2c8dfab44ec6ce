// SPDX-License-Identifier: GPL-2.0

//! The registers of QEMU's `iommu-testdev`.
//!
//! Told an address and armed, the device writes a known word there through the IOMMU when one of
//! its registers is read, then reads what is at an address of physical memory, past the IOMMU, and
//! compares. It is done before the read returns.
//!
//! Reference: `hw/misc/iommu-testdev.c` and `include/hw/misc/iommu-testdev.h` of QEMU.

use iommu_ext::addr::{
    Iova,
    PhysAddr, //
};
use kernel::{
    device::Bound,
    io::Io,
    pci,
    prelude::*, //
};

/// The PCI device ID, which QEMU's older `pci-testdev` has too.
pub(crate) const DEVICE_ID: u32 = 0x5;

/// What the device writes.
pub(crate) const WORD: u32 = 0x1234_5678;

/// How much it is told to write, in bytes: more would make several faults of one refusal.
const LEN: u32 = 4;

mod regs {
    kernel::io::register! {
        pub(super) TRIGGER(u32) @ 0x00 {
            31:0 value;
        }

        pub(super) IOVA_LOW(u32) @ 0x04 {
            31:0 value;
        }

        pub(super) IOVA_HIGH(u32) @ 0x08 {
            31:0 value;
        }

        pub(super) LENGTH(u32) @ 0x0c {
            31:0 value;
        }

        pub(super) RESULT(u32) @ 0x10 {
            31:0 value;
        }

        pub(super) DOORBELL(u32) @ 0x14 {
            0:0 arm => bool;
        }

        pub(super) PHYS_LOW(u32) @ 0x1c {
            31:0 value;
        }

        pub(super) PHYS_HIGH(u32) @ 0x20 {
            31:0 value;
        }
    }

    pub(super) const END: usize = 0x24;
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The word is at the expected physical address.
    Arrived,
    /// The write went through, but the word is not where it was expected.
    Elsewhere,
    /// The device was told that its write failed.
    Refused,
    /// The device says something that is not in its description.
    Unknown(u32),
}

impl From<u32> for Outcome {
    fn from(result: u32) -> Self {
        match result {
            0 => Self::Arrived,
            0xdead_0002 => Self::Refused,
            0xdead_0004 => Self::Elsewhere,
            other => Self::Unknown(other),
        }
    }
}

/// The result register of a device that is not armed and has done nothing.
const IDLE: u32 = u32::MAX;

/// A device, through its registers.
pub(crate) struct TestDevice<'bound> {
    bar: pci::Bar<'bound, { regs::END }>,
}

impl<'bound> TestDevice<'bound> {
    /// Maps the registers.
    ///
    /// # Errors
    ///
    /// `ENODEV` if they do not behave like those of an `iommu-testdev`.
    pub(crate) fn new(pdev: &'bound pci::Device<Bound>) -> Result<Self> {
        let bar = pdev.iomap_region_sized::<{ regs::END }>(0, super::NAME)?;
        bar.write_reg(regs::DOORBELL::zeroed().with_arm(false));
        bar.write_reg(regs::LENGTH::zeroed().with_value(LEN));
        let length: u32 = bar.read(regs::LENGTH).value().into();
        let result: u32 = bar.read(regs::RESULT).value().into();
        if length != LEN || result != IDLE {
            return Err(ENODEV);
        }
        Ok(Self { bar })
    }

    /// Has the device write [`WORD`] at `iova`, and look for it at `expected`.
    pub(crate) fn write(&mut self, iova: Iova, expected: PhysAddr) -> Outcome {
        let bar = &self.bar;
        // CAST: The halves of an address.
        let halves = |address: u64| (address as u32, (address >> 32) as u32);
        let (low, high) = halves(iova.0);
        bar.write_reg(regs::IOVA_LOW::zeroed().with_value(low));
        bar.write_reg(regs::IOVA_HIGH::zeroed().with_value(high));
        let (low, high) = halves(expected.0);
        bar.write_reg(regs::PHYS_LOW::zeroed().with_value(low));
        bar.write_reg(regs::PHYS_HIGH::zeroed().with_value(high));
        // Each time: the device forgets it in sleep.
        bar.write_reg(regs::LENGTH::zeroed().with_value(LEN));
        bar.write_reg(regs::DOORBELL::zeroed().with_arm(true));
        let _ = bar.read(regs::TRIGGER);
        let result: u32 = bar.read(regs::RESULT).value().into();
        Outcome::from(result)
    }
}
