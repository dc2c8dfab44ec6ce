// SPDX-License-Identifier: GPL-2.0

//! The table of the devices of a PCI driver, and what `probe` is told of the device's row.
//!
//! In 7.3 the table is a static of one name, which the kernel's tools find by it; a device that is
//! bound by hand has no row. In 7.2 it is a constant, and the static for the tools has a name of
//! its own.
//!
//! Goes with 7.2: [`Info`] is `Option<&IdInfo>` then, and [`pci_device_table!`] the kernel's.

/// What `probe` of a `pci::Driver` gets of the row that matched.
#[cfg(not(kernel_7_2))]
pub type Info<'a, T> = Option<&'a T>;

/// What `probe` of a `pci::Driver` gets of the row that matched.
#[cfg(kernel_7_2)]
pub type Info<'a, T> = &'a T;

/// `kernel::pci_device_table!` with the arguments that it takes in 7.3.
#[cfg(not(kernel_7_2))]
#[macro_export]
macro_rules! pci_device_table {
    ($($arguments:tt)*) => {
        ::kernel::pci_device_table!($($arguments)*);
    };
}

/// `kernel::pci_device_table!` with the arguments that it takes in 7.3.
#[cfg(kernel_7_2)]
#[macro_export]
macro_rules! pci_device_table {
    ($table:ident, $info:ty, $rows:expr $(,)?) => {
        ::kernel::pci_device_table!($table, MODULE_PCI_TABLE, $info, $rows);
    };
}
