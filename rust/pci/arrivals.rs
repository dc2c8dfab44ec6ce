// SPDX-License-Identifier: GPL-2.0

//! Functions that are added to the machine: plugged in, or found by a rescan.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)

use super::Function;
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// Calls a function for each PCI function that is added, for as long as it lives: before the
/// kernel's IOMMU core looks at the function, and before a driver can bind.
///
/// # Invariants
///
/// `block` is registered with the PCI bus.
#[pin_data(PinnedDrop)]
pub struct Arrivals {
    handler: fn(&Function),
    #[pin]
    block: Opaque<bindings::notifier_block>,
}

// SAFETY: The notifier chain has a lock of its own, and function pointers may be sent.
unsafe impl Send for Arrivals {}
// SAFETY: As above.
unsafe impl Sync for Arrivals {}

impl Arrivals {
    /// Has `handler` called. It may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn watch(handler: fn(&Function)) -> Result<Pin<KBox<Self>>> {
        KBox::try_pin_init(
            try_pin_init!(Self {
                // First, as the callback may come as soon as the block is registered.
                handler,
                // INVARIANT: The block is registered, or there is no object.
                block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
                    let filled = bindings::notifier_block {
                        notifier_call: Some(Self::added_callback),
                        // The kernel's IOMMU core has 0, and who has more comes first.
                        priority: 1,
                        ..pin_init::zeroed()
                    };
                    // SAFETY: The slot is valid for writes.
                    unsafe { block.write(filled) };
                    // SAFETY: The block stays where it is, and is unregistered when dropped.
                    to_result(unsafe {
                        bindings::bus_register_notifier(&raw const bindings::pci_bus_type, block)
                    })
                }),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Something has happened on the PCI bus.
    ///
    /// # Safety
    ///
    /// Called by the driver core, with the block of an `Arrivals` that is registered, and a device
    /// of the bus.
    unsafe extern "C" fn added_callback(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        dev: *mut c_void,
    ) -> c_int {
        // CAST: To a wider type.
        if event == bindings::bus_notifier_event_BUS_NOTIFY_ADD_DEVICE as c_ulong {
            // SAFETY: By the requirement, `block` is that field; unregistering it, before the
            // object is freed, waits for this call.
            let this = unsafe { &*kernel::container_of!(Opaque::cast_from(block), Self, block) };
            // SAFETY: The driver core holds a reference to the device during the call.
            if let Some(function) = unsafe { Function::from_device(dev.cast()) } {
                (this.handler)(function);
            }
        }
        // The others on the chain are called as well (NOTIFY_DONE).
        0
    }
}

#[pinned_drop]
impl PinnedDrop for Arrivals {
    fn drop(self: Pin<&mut Self>) {
        // Waits for callbacks that are under way.
        // SAFETY: By the type invariant, the block is registered. That is all that can fail.
        unsafe {
            bindings::bus_unregister_notifier(&raw const bindings::pci_bus_type, self.block.get())
        };
    }
}
