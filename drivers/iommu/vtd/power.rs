// SPDX-License-Identifier: GPL-2.0

//! Sleep, reboot, and the start of another kernel.
//!
//! A unit is stopped when all devices sleep, and works again before the first one wakes: root
//! table, an empty queue, global invalidations, the fault event, translation, in that order. The
//! tables in memory are as they were, so that nothing of the core knows about it.
//!
//! Before a reboot or another kernel, translation is turned off, as the kernel's own driver does:
//! whoever comes next expects DMA to pass, and knows nothing of our tables. Drivers have stopped
//! their devices by then. The queue stays on, as other CPUs may still wait for it; whoever comes
//! next finds it empty, and turns it off before using one of its own.

use crate::unit::{
    Asleep,
    Unit, //
};
use bridge::unit::Translation;
use iommu_ext::{
    new_irq_lock,
    power::{
        self,
        CoreOperations, //
    },
    sync::irq_lock::IrqLock, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Has a unit sleep and wake with the machine, until this is dropped.
pub(crate) type Registration = power::Registration<Power>;

/// Has `unit` sleep and wake with the machine.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn register(unit: Arc<Unit>) -> Result<Registration> {
    Registration::new(Arc::pin_init(
        pin_init!(Power {
            unit,
            asleep <- new_irq_lock!(None, "vtd::Power"),
        }),
        GFP_KERNEL,
    )?)
}

/// The core operations of a unit.
#[pin_data]
pub(crate) struct Power {
    unit: Arc<Unit>,
    /// What the unit goes on with; `None` while the machine is awake.
    #[pin]
    asleep: IrqLock<Option<Asleep>>,
}

impl CoreOperations for Power {
    fn suspend(&self) -> Result {
        let asleep = self.unit.sleep()?;
        *self.asleep.lock() = Some(asleep);
        Ok(())
    }

    fn resume(&self) {
        let asleep = self.asleep.lock().take();
        if let Some(asleep) = asleep {
            if self.unit.wake(&asleep).is_err() {
                pr_err!(
                    "{}: does not work after sleep: {}\n",
                    self.unit.name(),
                    if self.unit.is_translating() {
                        "what is unmapped stays within reach of devices, and is kept"
                    } else {
                        "DMA is not translated, and goes anywhere"
                    }
                );
            }
        }
    }

    fn shutdown(&self) {
        // The command has said why it fails, and there is nobody to turn to.
        let _ = self.unit.disable();
    }
}
