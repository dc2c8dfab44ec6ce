// SPDX-License-Identifier: GPL-2.0

//! Sleep, reboot, and the start of another kernel.
//!
//! Units are stopped when all devices sleep, and work again before the first one wakes: root table,
//! an empty queue, and once all units have theirs ([`unit`](crate::unit#several-units)), global
//! invalidations, the fault event, translation, in that order. The tables in memory are as they were,
//! so that nothing of the core knows about it.
//!
//! Before a reboot or another kernel, translation is turned off, as the kernel's own driver does:
//! whoever comes next expects DMA to pass, and knows nothing of our tables. Drivers have stopped
//! their devices by then. The queue stays on, as other CPUs may still wait for it; whoever comes
//! next finds it empty, and turns it off before using one of its own.

use crate::unit::{
    Asleep,
    Begun,
    Unit, //
};
use iommu_ext::{
    new_irq_lock,
    power::{
        self,
        CoreOperations, //
    },
    sync::irq_lock::IrqLock,
    vec::KVecExt, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Has units sleep and wake with the machine, until this is dropped.
pub(crate) type Registration = power::Registration<Power>;

/// Has `units` sleep and wake with the machine.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn register(units: KVec<Arc<Unit>>) -> Result<Registration> {
    let mut asleep = KVec::with_capacity(units.len(), GFP_KERNEL)?;
    for _ in units.iter() {
        asleep.try_push(Slot::default(), GFP_KERNEL)?;
    }
    Registration::new(Arc::pin_init(
        pin_init!(Power {
            units,
            asleep <- new_irq_lock!(asleep, "vtd::Power"),
        }),
        GFP_KERNEL,
    )?)
}

/// What a unit goes on with; nothing while the machine is awake.
#[derive(Default)]
struct Slot {
    asleep: Option<Asleep>,
    begun: Option<Begun>,
}

/// The core operations of all units.
#[pin_data]
pub(crate) struct Power {
    units: KVec<Arc<Unit>>,
    /// One for each unit.
    #[pin]
    asleep: IrqLock<KVec<Slot>>,
}

impl Power {
    /// Wakes the units that are asleep: the queues of all are on before one is waited for.
    fn wake(&self, slots: &mut KVec<Slot>) {
        for (unit, slot) in self.units.iter().zip(slots.iter_mut()) {
            slot.begun = slot.asleep.is_some().then(|| unit.begin_wake());
        }
        for (unit, slot) in self.units.iter().zip(slots.iter_mut()) {
            let (Some(asleep), Some(begun)) = (slot.asleep.take(), slot.begun.take()) else {
                continue;
            };
            if unit.finish_wake(&asleep, begun).is_err() {
                pr_err!(
                    "{}: does not work after sleep: {}\n",
                    unit.name(),
                    if unit.is_translating() {
                        "what is unmapped stays within reach of devices, and is kept"
                    } else {
                        "DMA is not translated, and goes anywhere"
                    }
                );
            }
        }
    }
}

impl CoreOperations for Power {
    fn suspend(&self) -> Result {
        let mut slots = self.asleep.lock();
        for (unit, slot) in self.units.iter().zip(slots.iter_mut()) {
            match unit.sleep() {
                Ok(asleep) => slot.asleep = Some(asleep),
                Err(e) => {
                    // Nobody calls `resume` after this.
                    self.wake(&mut slots);
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    fn resume(&self) {
        self.wake(&mut self.asleep.lock());
    }

    fn shutdown(&self) {
        for unit in self.units.iter() {
            unit.shut_down();
        }
    }
}
