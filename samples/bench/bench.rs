// SPDX-License-Identifier: GPL-2.0

//! `rust_iommu_bench.ko`: how long the kernel's IOMMU and DMA APIs take.
//!
//! It drives QEMU's `iommu-testdev`, which does no DMA meanwhile, and is told what to do in
//! `/sys/kernel/debug/rust_iommu_bench/<device>/`, as `rust_iommu_dmatest` is. Every IOMMU is
//! reached through the kernel's API: the same module runs over our driver, over the kernel's own,
//! and over one that does nothing (`rust_iommu_floor.ko`, in `floor.c`).
//!
//! - `work`: what is timed.
//! - `median`: the middle one of many times.
//! - `race`: several CPUs at the same time.
//! - `commands`: the commands.

#![deny(unsafe_code)]

mod commands;
mod median;
mod race;
mod work;

use commands::Bench;
use iommu_ext::{
    compat::pci_driver::Info,
    consumer::CommandFiles, //
};
use kernel::{
    debugfs::Dir,
    device::Core,
    driver,
    pci,
    prelude::*,
    InPlaceModule, //
};

/// The module's name, and that of its directory in debugfs.
const NAME: &CStr = c"rust_iommu_bench";

/// The PCI device ID of `iommu-testdev`.
const DEVICE_ID: u32 = 0x5;

module! {
    type: BenchModule,
    name: "rust_iommu_bench",
    authors: ["Rust IOMMU developers"],
    description: "How long the IOMMU and DMA APIs take",
    license: "GPL v2",
}

#[pin_data]
struct BenchModule {
    // First, so that the devices' directories are gone before the one they are in.
    #[pin]
    driver: driver::Registration<pci::Adapter<Driver>>,
    directory: Dir,
}

impl InPlaceModule for BenchModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            directory: Dir::new(NAME),
            driver <- driver::Registration::new(NAME, module),
        })
    }
}

struct Driver;

iommu_ext::pci_device_table!(
    PCI_TABLE,
    <Driver as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_id(pci::Vendor::REDHAT, DEVICE_ID), ())]
);

impl pci::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = CommandFiles<Bench<'bound>>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Info<'bound, Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let dev = pdev.as_ref();
            Ok(CommandFiles::new(NAME, dev.name(), Bench::new(dev)))
        })
    }

    fn unbind<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        // The device goes back to the DMA API's domain while it still has a driver.
        this.commands().release();
    }
}
