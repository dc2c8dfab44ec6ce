// SPDX-License-Identifier: GPL-2.0

//! One remapping unit: what it owns, and how it is started and stopped (VT-d 11.4.4, 6.5.2).
//!
//! A unit is claimed, cleared of what firmware or a kernel before us left running, and given an
//! empty root table: from then on it can translate, and once translation is on it lets nothing
//! pass that has no context entry. Translation is turned on last, when the devices have their
//! domains: what firmware has devices do with memory is not cut off by the unit.
//!
//! # Several units
//!
//! Some chipsets (X58) complete no invalidation before the queues of all units are on, as the
//! kernel's own driver notes. So each unit is brought up in two halves, at load and after sleep:
//! [`Unit::start`] and [`Unit::begin_wake`] wait for nothing that goes through the queue, and the
//! second half of no unit begins before the first half of all.
//!
//! # Translation that does not turn off
//!
//! Some units (of integrated graphics, Ice Lake to Meteor Lake) do not turn translation off once their
//! device has been in a low power state: they wait for requests in flight, for ever. Such a unit is
//! asked once, and left translating from then on:
//!
//! - It is taken over with translation on: our root table, in which nothing is present yet, comes in
//!   the place of the one before. DMA of its devices is refused until they have domains.
//! - It sleeps with translation on, and has lost that when it wakes, as all else.
//! - To be given back it gets tables by which all DMA passes, as far as it can pass DMA. They are
//!   kept for good.

use crate::{
    fault::FaultEvent,
    invalidate::{
        counts::Counts,
        descriptor::Descriptor,
        queue::Queue, //
    },
    quirks::Chipset,
    regs::{
        self,
        capability::Features,
        command::Command,
        fault::EventRegisters,
        Regs, //
    },
    tables::{
        context::{
            ContextEntry,
            DomainId, //
        },
        root::{
            OpenTables,
            RootTable, //
        }, //
    }, //
};
use bridge::unit::Translation;
use iommu_core::instance::Instance;
use iommu_ext::{
    addr::PhysAddr,
    pages::{
        flush_cache,
        Gfp,
        NumaNode,
        TablePage, //
    },
    x86::{
        pair,
        vector::Registration, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// One remapping unit.
#[pin_data]
pub(crate) struct Unit {
    name: CString,
    regs: Arc<Regs>,
    /// Physical address of the registers.
    pub(crate) base: PhysAddr,
    /// What is known of the machine around it.
    pub(crate) chipset: Chipset,
    pub(crate) features: Features,
    /// Width of the machine's physical addresses, in bits; 52 at most.
    pub(crate) host_address_bits: u8,
    /// NUMA node to take memory for its tables from.
    pub(crate) numa: NumaNode,
    command: Arc<Command>,
    #[pin]
    pub(crate) root: RootTable,
    /// A root table in which nothing is present, for a unit that is lost.
    empty_root: TablePage,
    /// Translation has not turned off when it was told to, and is not told any more.
    keeps_translating: Atomic<bool>,
    /// Where the root table is by which all DMA passes, which is kept for good; 0 while the unit uses
    /// ours.
    open_root: Atomic<u64>,
    #[pin]
    pub(crate) queue: Queue,
}

impl Unit {
    /// Claims the unit whose registers are at `base`, and reads what it can do. Changes nothing.
    ///
    /// # Errors
    ///
    /// A line in the log says why, and
    ///
    /// - `EBUSY`: its registers are in use: by another driver, or by us, if a unit did not stop when
    ///   it should.
    /// - `ENODEV`: there is no unit, or none that can translate.
    /// - `ENOMEM`.
    pub(crate) fn claim(
        name: CString,
        base: PhysAddr,
        host_address_bits: u8,
        numa: NumaNode,
        chipset: Chipset,
    ) -> Result<Arc<Self>> {
        let (regs, mut features) = regs::map(base).inspect_err(|e| match *e {
            EBUSY => pr_err!(
                "{}: the registers at {:#x} are in use (see /proc/iomem). If they are the \
                 kernel's own driver's (dmar), boot with intel_iommu=off intremap=off\n",
                &*name,
                base.0
            ),
            ENODEV => pr_err!("{}: no unit answers at {:#x}\n", &*name, base.0),
            _ => pr_err!("{}: cannot map the registers at {:#x}\n", &*name, base.0),
        })?;
        if let Some(what) = lacks(&features) {
            pr_err!("{}: the unit {}\n", &*name, what);
            return Err(ENODEV);
        }
        features.write_buffer |= chipset.buffers_writes;
        let (major, minor) = features.version;
        pr_info!(
            "{}: VT-d {major}.{minor} unit at {:#x}, {} address bits, {} domain IDs{}{}\n",
            &*name,
            base.0,
            features.address_bits,
            features.domain_ids,
            if features.caching_mode {
                ", caching mode"
            } else {
                ""
            },
            if features.coherent {
                ""
            } else {
                ", not coherent"
            }
        );
        if !features.pass_through {
            pr_info!(
                "{}: the unit cannot pass DMA through (ECAP_REG.PT): its devices get DMA domains, \
                 whatever iommu=pt asks for\n",
                &*name
            );
        }
        let regs = Arc::new(regs, GFP_KERNEL)?;
        let root = RootTable::new(features.coherent, numa)?;
        let empty_root = TablePage::alloc(numa, Gfp::KERNEL)?;
        if !features.coherent {
            flush_cache(empty_root.entries());
        }
        let command = Arc::pin_init(Command::new(regs.clone()), GFP_KERNEL)?;
        let queue = Queue::new(regs.clone(), command.clone(), features.drain, numa)?;
        Arc::pin_init(
            pin_init!(Self {
                name,
                regs,
                base,
                chipset,
                features,
                host_address_bits,
                numa,
                command,
                root <- root,
                empty_root,
                keeps_translating: Atomic::new(false),
                open_root: Atomic::new(0),
                queue <- queue,
            }),
            GFP_KERNEL,
        )
    }

    /// The name, as in `dmar0`.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// The registers.
    pub(crate) fn regs(&self) -> &Regs {
        &self.regs
    }

    /// Makes the unit ready to translate, as far as that can be done before the queues of other units
    /// are on: stops what was running, then root table and queue. To be followed by
    /// [`Started::forget_all`].
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` or `EIO`: the unit does not answer. A line in the log says which register.
    pub(crate) fn start(self: &Arc<Self>) -> Result<Started> {
        self.stop_others()?;
        // From here on the unit may use memory of ours.
        let started = Started(self.clone());
        self.command.set_root_table(self.root.phys())?;
        self.enable_queue()?;
        Ok(started)
    }

    /// Stops what firmware or another kernel has left running, and forgets what they left
    /// recorded.
    fn stop_others(&self) -> Result {
        let command = &self.command;
        if command.is_translating() {
            pr_info!("{}: was left translating; stopping it\n", self.name());
            self.turn_translation_off();
        }
        if command.is_queue_enabled() {
            pr_info!(
                "{}: was left with its invalidation queue on; stopping it\n",
                self.name()
            );
            command.abandon_queue()?;
        }
        command.forget_queue_errors();
        self.features.fault_records.forget(&self.regs);
        self.flush_write_buffer()
    }

    /// Enables our queue, emptied, on a unit whose queue is off and that has our root table.
    fn enable_queue(&self) -> Result {
        self.queue.restart();
        self.command.enable_queue(self.queue.ring())
    }

    /// Drops all that the unit has cached, the context cache before the IOTLB (6.6, 6.5.2).
    fn forget_all(&self) -> Result {
        self.queue
            .submit(&[Descriptor::ContextGlobal, Descriptor::IotlbGlobal])
    }

    /// Turns translation off, if the unit does that: DMA passes then. If it does not, translation
    /// stays on. Returns whether it is off.
    fn turn_translation_off(&self) -> bool {
        if !self.is_translating() {
            return true;
        }
        if self.keeps_translating.load(Relaxed) {
            // Once is enough: each try takes as long as commands have.
            return false;
        }
        let is_off = self.command.disable_translation().is_ok();
        if !is_off {
            self.keeps_translating.store(true, Relaxed);
            pr_warn!(
                "{}: translation does not turn off, and is left on from now on\n",
                self.name()
            );
            // Takes the command back, as the unit may still be at it. A failure is logged.
            let _ = self.command.enable_translation();
        }
        is_off
    }

    /// Turns translation and the queue off: from here on the unit uses no memory, unless it
    /// [keeps translating](self#translation-that-does-not-turn-off). Everything submitted must be
    /// complete.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: the unit does not answer.
    fn stop(&self) -> Result {
        self.turn_translation_off();
        self.command.disable_queue()
    }

    /// Has DMA of all devices pass, by tables, on a unit whose translation does not turn off. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: the unit cannot pass DMA through (ECAP_REG.PT), or does not answer.
    /// - `ENOMEM`.
    fn pass_all(&self) -> Result {
        if !self.features.pass_through {
            return Err(ETIMEDOUT);
        }
        let entry = ContextEntry::pass_through(self.most_levels(), DomainId::PASSING)?;
        let open = OpenTables::new(entry, self.features.coherent, self.numa)?;
        let root = open.phys();
        // Kept for good: nobody knows for how long the unit uses them.
        core::mem::forget(open);
        self.flush_write_buffer()?;
        self.command.set_root_table(root)?;
        self.forget_all()?;
        self.open_root.store(root.0, Relaxed);
        pr_warn!(
            "{}: DMA passes by tables that are kept for good\n",
            self.name()
        );
        Ok(())
    }

    /// The root table by which all DMA passes, if it was put in the place of ours.
    fn open_root(&self) -> Option<PhysAddr> {
        let root = self.open_root.load(Relaxed);
        (root != 0).then_some(PhysAddr(root))
    }

    /// Whether the unit may use memory of ours after [`stop`](Self::stop).
    fn is_in_use(&self) -> bool {
        self.is_translating() && self.open_root().is_none()
    }

    /// Turns translation off before a reboot, or for another kernel. Any context.
    pub(crate) fn shut_down(&self) {
        self.turn_translation_off();
    }

    /// Has the unit report its faults, as those of `instance`, for as long as the registration
    /// lives.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the CPUs have no vector left.
    /// - `ENOMEM`.
    pub(crate) fn report_faults(
        self: &Arc<Self>,
        instance: Arc<Instance>,
    ) -> Result<Registration<FaultEvent>> {
        let event = FaultEvent::new(self.clone(), instance);
        Registration::new(
            CString::try_from(self.name())?,
            Arc::pin_init(event, GFP_KERNEL)?,
        )
    }

    /// Has the unit see what was written to its tables, if it buffers writes (6.8).
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: the unit does not answer.
    pub(crate) fn flush_write_buffer(&self) -> Result {
        if self.features.write_buffer {
            self.command.flush_write_buffer()?;
        }
        Ok(())
    }

    /// Makes the unit, whose queue does not work any more, refuse all DMA: by a root table in which
    /// nothing is present, and by dropping all that is cached, without the queue. Returns whether the
    /// unit has shown that it does. Any context.
    ///
    /// Without translation no table counts. Nor can anything be said of a unit that neither drops
    /// what is cached by itself (CAP_REG.ESRTPS) nor by registers, be it that it has none or that its
    /// queue does not go off.
    pub(crate) fn refuse_all(&self) -> bool {
        self.command.answers() && self.is_translating() && self.try_refuse_all().is_ok()
    }

    fn try_refuse_all(&self) -> Result {
        self.flush_write_buffer()?;
        // Software may set a root table while translation is on (11.4.4.1, SRTP): what is in flight
        // goes by either.
        self.command.set_root_table(self.empty_root.phys())?;
        if self.features.root_table_flushes {
            return Ok(());
        }
        let iotlb = self.features.iotlb_register.ok_or(ENODEV)?;
        self.queue.turn_off_for_good()?;
        self.command.invalidate_by_registers(iotlb)
    }

    /// Whether DMA is being translated.
    pub(crate) fn is_translating(&self) -> bool {
        self.command.is_translating()
    }

    /// Requests sent to the unit so far.
    pub(crate) fn counts(&self) -> Counts {
        self.queue.counts()
    }
}

/// Sleep, in which a unit loses what its registers say. The tables stay as they are.
impl Unit {
    /// Stops the unit. Returns what [`wake`](Self::wake) needs. No device does DMA any more, and no
    /// other code runs; but some may have been interrupted while it waits for the queue.
    ///
    /// # Errors
    ///
    /// The unit goes on, as the devices will, and
    ///
    /// - `EIO`: its queue was given up: it could not be told to forget anything after its sleep.
    /// - `ETIMEDOUT`: it does not answer.
    pub(crate) fn sleep(&self) -> Result<Asleep> {
        // Only an empty queue may be turned off (6.5.2).
        self.queue.quiesce().inspect_err(|_| {
            pr_err!(
                "{}: cannot sleep, as its invalidation queue does not work\n",
                self.name()
            )
        })?;
        let asleep = Asleep {
            // A unit that was given back need not translate again.
            is_translating: self.is_in_use(),
            event: EventRegisters::save(&self.regs),
        };
        if let Err(e) = self.stop() {
            // Nobody calls `wake` after this. A failure is logged, and the first one is to tell.
            let _ = self.wake(&asleep);
            return Err(e);
        }
        Ok(asleep)
    }

    /// Has the unit go on, as it was before [`sleep`](Self::sleep). No device does DMA yet.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` or `EIO`: the unit does not answer. Its queue is given up: what it may use is
    /// kept from then on. It translates by our tables all the same, if it can be brought to.
    pub(crate) fn wake(&self, asleep: &Asleep) -> Result {
        let begun = self.begin_wake();
        self.finish_wake(asleep, begun)
    }

    /// As much of [`wake`](Self::wake) as can be done before the queues of other units are on.
    pub(crate) fn begin_wake(&self) -> Begun {
        let root = self.open_root().unwrap_or(self.root.phys());
        let rooted = self
            .stop_others()
            .and_then(|()| self.command.set_root_table(root));
        Begun(rooted.map(|()| self.enable_queue()))
    }

    /// The rest of [`wake`](Self::wake).
    ///
    /// # Errors
    ///
    /// As of that.
    pub(crate) fn finish_wake(&self, asleep: &Asleep, begun: Begun) -> Result {
        let woken = self.try_finish_wake(asleep, begun);
        if woken.is_err() {
            self.queue.give_up("the unit has not come back from sleep");
        }
        woken
    }

    fn try_finish_wake(&self, asleep: &Asleep, Begun(rooted): Begun) -> Result {
        let queue = rooted?.and_then(|()| self.forget_all());
        asleep.event.restore(&self.regs);
        if asleep.is_translating {
            // Without a queue, too, as DMA would go anywhere if nothing translated it. What the
            // unit may have cached before its sleep is as true as the tables: they have not
            // changed, and the queue was empty.
            self.enable()?;
        }
        queue
    }
}

/// What a sleeping unit was doing.
pub(crate) struct Asleep {
    is_translating: bool,
    event: EventRegisters,
}

/// How far a unit has come that wakes: whether it has its root table, and then its queue.
pub(crate) struct Begun(Result<Result>);

impl Translation for Unit {
    fn enable(&self) -> Result {
        self.command.enable_translation()?;
        if self.features.protected_memory {
            // Firmware's protection until now.
            self.command.disable_protected_memory()?;
        }
        Ok(())
    }

    fn disable(&self) -> Result {
        if self.turn_translation_off() {
            return Ok(());
        }
        self.pass_all()
    }
}

/// A unit that may use memory of ours: dropping this stops that.
pub(crate) struct Started(Arc<Unit>);

impl Started {
    /// Drops all that the unit has cached. The queues of all units must be on.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` or `EIO`: the unit does not answer.
    pub(crate) fn forget_all(&self) -> Result {
        self.0.forget_all()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let Self(unit) = self;
        // The queue is still on. A failure leaves DMA blocked, as far as that is our doing.
        if !unit.turn_translation_off() && unit.open_root().is_none() {
            let _ = unit.pass_all();
        }
        if unit.stop().is_err() || unit.is_in_use() {
            pr_err!(
                "{}: may still use its tables, which are kept for good\n",
                unit.name()
            );
            core::mem::forget(unit.clone());
        }
    }
}

/// What the unit would need, if it cannot serve us.
fn lacks(features: &Features) -> Option<&'static str> {
    if !(3..=5).any(|levels| features.has_levels(levels)) {
        return Some(
            "has no second-stage page tables (CAP_REG.SAGAW): DMA remapping is turned off",
        );
    }
    if !features.second_stage {
        return Some("has no second-stage page tables (ECAP_REG.SSTS), which legacy mode takes");
    }
    if !features.queued_invalidation {
        return Some("has no invalidation queue (ECAP_REG.QI)");
    }
    if !pair::is_supported() {
        return Some("needs a CPU that can write 16 bytes at once (CMPXCHG16B)");
    }
    None
}
