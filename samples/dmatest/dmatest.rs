// SPDX-License-Identifier: GPL-2.0

//! `rust_iommu_dmatest.ko`: a driver that does DMA on command, for tests; and an example of a
//! driver that uses an IOMMU.
//!
//! It drives QEMU's `iommu-testdev`, a device that writes a word to any address it is given. User
//! space tells it what to do in `/sys/kernel/debug/rust_iommu_dmatest/<device>/`: a line written
//! to `command` is run, `result` says what came of it.
//!
//! Every IOMMU is reached through the kernel's API, so the same tests run over the kernel's own C
//! drivers.
//!
//! - `testdev`: the device's registers.
//! - `commands`: the commands, and the objects they work on.
//! - `stress`: mapping and unmapping from several CPUs at once.

#![deny(unsafe_code)]

mod commands;
mod stress;
mod testdev;

use commands::Tester;
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
use testdev::TestDevice;

/// The module's name, and that of its directory in debugfs.
const NAME: &CStr = c"rust_iommu_dmatest";

module! {
    type: DmaTest,
    name: "rust_iommu_dmatest",
    authors: ["Rust IOMMU developers"],
    description: "DMA on command with QEMU's iommu-testdev",
    license: "GPL v2",
}

#[pin_data]
struct DmaTest {
    // First, so that the devices' directories are gone before the one they are in.
    #[pin]
    driver: driver::Registration<pci::Adapter<Driver>>,
    directory: Dir,
}

impl InPlaceModule for DmaTest {
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
    [(
        pci::DeviceId::from_id(pci::Vendor::REDHAT, testdev::DEVICE_ID),
        ()
    )]
);

impl pci::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = CommandFiles<Tester<'bound>>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Info<'bound, Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            pdev.enable_device_mem()?;
            let device = TestDevice::new(pdev)?;
            // Devices that the IOMMU lets do nothing may well be let speak.
            pdev.set_master();
            let dev = pdev.as_ref();
            Ok(CommandFiles::new(
                NAME,
                dev.name(),
                Tester::new(dev, device),
            ))
        })
    }

    fn unbind<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        // The device goes back to the DMA API's domain while it still has a driver.
        this.commands().release();
    }
}
