// SPDX-License-Identifier: GPL-2.0

//! Bus mastering: whether a function may send requests at all (PCIe 7.5.1.1.3).
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::Function;
use kernel::bindings;

impl Function {
    /// Turns bus mastering off, and waits until the writes that the function has sent before have
    /// arrived: a read of its registers is answered after them (PCIe 2.4.1). A driver may turn bus
    /// mastering on again. Any context: the kernel guards configuration accesses by a raw spinlock.
    pub fn stop_bus_mastering(&self) {
        // Reads of a function that is not there.
        const NOBODY: u16 = u16::MAX;
        let pdev = self.as_raw();
        // CAST: Constants of a few bits.
        let (register, master) = (
            bindings::PCI_COMMAND as i32,
            bindings::PCI_COMMAND_MASTER as u16,
        );
        let mut command = NOBODY;
        // SAFETY: By the type invariant.
        unsafe { bindings::pci_read_config_word(pdev, register, &mut command) };
        if command == NOBODY {
            return;
        }
        // SAFETY: As above.
        unsafe { bindings::pci_write_config_word(pdev, register, command & !master) };
        // SAFETY: As above.
        unsafe { bindings::pci_read_config_word(pdev, register, &mut command) };
    }
}
