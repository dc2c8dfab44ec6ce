// SPDX-License-Identifier: GPL-2.0

//! Commands to a unit (VT-d 11.4.4 to 11.4.6, 11.4.8): one function for each procedure that the
//! specification describes.
//!
//! The global command register takes one command at a time. A command is written together with
//! the state that is to stay on, as the status register shows it, and is complete when the status
//! register says so.

use super::{
    fault::FSTS_REG,
    invalidation::{
        IotlbRegister,
        CCMD_REG,
        IQA_REG,
        IQH_REG,
        IQT_REG, //
    },
    Regs, //
};
use crate::tables::frame;
use iommu_ext::{
    addr::PhysAddr,
    new_irq_lock,
    sync::irq_lock::IrqLock, //
};
use kernel::{
    io::{
        poll::read_poll_timeout_atomic,
        register, //
    },
    prelude::*,
    sync::Arc,
    time::Delta, //
};

register! {
    /// Global command.
    GCMD_REG(u32) @ 0x18 {
        /// Translate.
        31:31 te => bool;
        /// Take over the root table of RTADDR_REG.
        30:30 srtp => bool;
        /// Flush the write buffer.
        27:27 wbf => bool;
        /// Queued invalidation.
        26:26 qie => bool;
    }

    /// Global status: the bits answer those of GCMD_REG.
    GSTS_REG(u32) @ 0x1c {
        31:31 tes => bool;
        30:30 rtps => bool;
        27:27 wbfs => bool;
        26:26 qies => bool;
    }

    /// Address of the root table, and how it is to be read.
    RTADDR_REG(u64) @ 0x20 {
        /// Page frame of the root table.
        63:12 rta;
        /// Translation table mode: 0 is legacy mode.
        11:10 ttm;
    }

    /// Protected memory regions: memory that no DMA reaches.
    PMEN_REG(u32) @ 0x64 {
        /// Enable.
        31:31 epm => bool;
        /// They are in force.
        0:0 prs => bool;
    }
}

impl GSTS_REG {
    /// The command that leaves everything as it is. RTPS (30), FLS (29), WBFS (27) and IRTPS (24)
    /// tell that a command is done or under way; written back, they would issue it again.
    fn keep(self) -> GCMD_REG {
        const ONE_SHOT: u32 = 1 << 30 | 1 << 29 | 1 << 27 | 1 << 24;
        GCMD_REG::from_raw(self.into_raw() & !ONE_SHOT)
    }
}

/// The command registers of a unit. May be used in any context.
#[pin_data]
pub(crate) struct Command {
    regs: Arc<Regs>,
    /// Held from the write of a command until it is done.
    #[pin]
    lock: IrqLock<()>,
}

impl Command {
    pub(crate) fn new(regs: Arc<Regs>) -> impl PinInit<Self> {
        pin_init!(Self {
            regs,
            lock <- new_irq_lock!((), "vtd::Command"),
        })
    }

    /// Whether the unit answers at all: what is not there reads as all ones.
    pub(crate) fn answers(&self) -> bool {
        self.regs.read(GSTS_REG).into_raw() != u32::MAX
    }

    /// Whether DMA is being translated.
    pub(crate) fn is_translating(&self) -> bool {
        self.regs.read(GSTS_REG).tes()
    }

    /// Whether the invalidation queue is on.
    pub(crate) fn is_queue_enabled(&self) -> bool {
        self.regs.read(GSTS_REG).qies()
    }

    /// Makes `table` the root table (6.6, 11.4.5). To be followed by a global invalidation of the
    /// context cache and then of the IOTLB, so that nothing of the table before it is used.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.RTPS stays clear.
    pub(crate) fn set_root_table(&self, table: PhysAddr) -> Result {
        let _guard = self.lock.lock();
        self.regs
            .write_reg(RTADDR_REG::zeroed().with_rta(frame(table.0)));
        self.run(
            |keep| keep.with_srtp(true),
            GSTS_REG::rtps,
            "RTPS stays clear",
        )
    }

    /// Turns translation on.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.TES stays clear.
    pub(crate) fn enable_translation(&self) -> Result {
        let _guard = self.lock.lock();
        self.run_for(
            DRAIN_STEPS,
            |keep| keep.with_te(true),
            GSTS_REG::tes,
            "TES stays clear",
        )
    }

    /// Turns translation off: DMA passes untranslated.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.TES stays set.
    pub(crate) fn disable_translation(&self) -> Result {
        let _guard = self.lock.lock();
        self.run_for(
            DRAIN_STEPS,
            |keep| keep.with_te(false),
            |now| !now.tes(),
            "TES stays set",
        )
    }

    /// Turns the invalidation queue on, with the ring of one page at `ring`, empty (6.5.2).
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.QIES stays clear.
    pub(crate) fn enable_queue(&self, ring: PhysAddr) -> Result {
        let _guard = self.lock.lock();
        self.regs.write_reg(IQT_REG::zeroed());
        self.regs
            .write_reg(IQA_REG::zeroed().with_iqa(frame(ring.0)));
        self.run(
            |keep| keep.with_qie(true),
            GSTS_REG::qies,
            "QIES stays clear",
        )
    }

    /// Turns off an invalidation queue that someone else has left on, whose ring may be anything by
    /// now: what is under way is waited for, and behind an error at which the unit stops (IQE, ITE)
    /// nothing is executed any more.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: IQH_REG does not reach IQT_REG, or GSTS_REG.QIES stays set.
    pub(crate) fn abandon_queue(&self) -> Result {
        let regs = &self.regs;
        let is_stopped = || {
            let status = regs.read(FSTS_REG);
            status.iqe() || status.ite()
        };
        let is_empty = || regs.read(IQH_REG).into_raw() == regs.read(IQT_REG).into_raw();
        poll(|| is_stopped() || is_empty(), |done| *done)
            .inspect_err(|_| self.complain("IQH_REG", "does not reach IQT_REG"))?;
        self.drop_queue()
    }

    /// Turns the invalidation queue off, with all that is in it and does not come to an end.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.QIES stays set.
    pub(crate) fn drop_queue(&self) -> Result {
        // Only while the unit is stopped: it would go on once the error is cleared, and the head of
        // one that is not stopped moves.
        let status = self.regs.read(FSTS_REG);
        if status.iqe() || status.ite() {
            let head = self.regs.read(IQH_REG).into_raw();
            self.regs.write_reg(IQT_REG::from_raw(head));
            self.forget_queue_errors();
        }
        self.disable_queue()
    }

    /// Invalidates all that the unit has cached, without the queue, which must be off (6.5.1):
    /// contexts, then translations. Waits for DMA in flight. `iotlb`: offset of the IOTLB invalidate
    /// register.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: CCMD_REG.ICC or IOTLB_REG.IVT stays set.
    /// - `EINVAL`: `iotlb` is no offset of a register.
    pub(crate) fn invalidate_by_registers(&self, iotlb: usize) -> Result {
        let _guard = self.lock.lock();
        let regs = &self.regs;
        regs.write_reg(CCMD_REG::zeroed().with_icc(true).with_const_cirg::<1>());
        poll(|| regs.read(CCMD_REG), |now| !now.icc())
            .inspect_err(|_| self.complain("CCMD_REG", "ICC stays set"))?;
        let all = IotlbRegister::zeroed()
            .with_ivt(true)
            .with_const_iirg::<1>()
            .with_dr(true)
            .with_dw(true);
        regs.try_write64(all.into_raw(), iotlb)?;
        let read = || regs.try_read64(iotlb).map(IotlbRegister::from_raw);
        poll(read, |now| now.is_ok_and(|now| !now.ivt()))
            .inspect_err(|_| self.complain("IOTLB_REG", "IVT stays set"))
    }

    /// Clears what the unit says about errors of its queue. It outlives the queue, and even a reset
    /// (11.4.7.1): the next queue would stop before its first descriptor, and faults would raise no
    /// event (11.4.7.2, IP).
    pub(crate) fn forget_queue_errors(&self) {
        self.regs.write_reg(FSTS_REG::OF_QUEUE);
    }

    /// Turns the invalidation queue off. Everything submitted must be complete.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.QIES stays set.
    pub(crate) fn disable_queue(&self) -> Result {
        let _guard = self.lock.lock();
        self.run(
            |keep| keep.with_qie(false),
            |now| !now.qies(),
            "QIES stays set",
        )
    }

    /// Flushes the write buffer, on units that have one (6.8).
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: GSTS_REG.WBFS stays set.
    pub(crate) fn flush_write_buffer(&self) -> Result {
        let _guard = self.lock.lock();
        self.run(
            |keep| keep.with_wbf(true),
            |now| !now.wbfs(),
            "WBFS stays set",
        )
    }

    /// Turns the protected memory regions off, on units that have them (11.4.8): once DMA is
    /// translated they only get in the way.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: PMEN_REG.PRS stays set.
    pub(crate) fn disable_protected_memory(&self) -> Result {
        let _guard = self.lock.lock();
        let now = self.regs.read(PMEN_REG);
        if !now.epm() && !now.prs() {
            return Ok(());
        }
        self.regs.write_reg(now.with_epm(false));
        poll(|| self.regs.read(PMEN_REG), |now| !now.prs())
            .inspect_err(|_| self.complain("PMEN_REG", "PRS stays set"))
    }

    /// Runs one command: `change` what is to be kept, write, and wait until `done`. The lock is
    /// held.
    fn run(
        &self,
        change: impl FnOnce(GCMD_REG) -> GCMD_REG,
        done: impl Fn(GSTS_REG) -> bool,
        failure: &str,
    ) -> Result {
        self.run_for(STEPS, change, done, failure)
    }

    /// As [`run`](Self::run), with so many steps until it must be done.
    fn run_for(
        &self,
        steps: usize,
        change: impl FnOnce(GCMD_REG) -> GCMD_REG,
        done: impl Fn(GSTS_REG) -> bool,
        failure: &str,
    ) -> Result {
        self.regs.write_reg(change(self.regs.read(GSTS_REG).keep()));
        poll_for(steps, || self.regs.read(GSTS_REG), |now| done(*now))
            .inspect_err(|_| self.complain("GSTS_REG", failure))
    }

    fn complain(&self, register: &str, failure: &str) {
        pr_err!(
            "unit at {:#x}: {register}: {failure}\n",
            self.regs.start().0
        );
    }
}

// TIMEOUT: The specification gives no limit. A command waits for DMA in flight at most, which takes
// microseconds; after a fifth of a second, the unit does not answer. Commands are given with
// interrupts off, and a unit that is lost is given several.
const STEP: Delta = Delta::from_micros(10);
const STEPS: usize = 20_000;

/// Steps for a command that turns translation on or off, as at load, detach and suspend: a second.
/// A unit that is found not to do so is left translating for good.
const DRAIN_STEPS: usize = 100_000;

fn poll<T>(read: impl FnMut() -> T, done: impl FnMut(&T) -> bool) -> Result {
    poll_for(STEPS, read, done)
}

fn poll_for<T>(steps: usize, mut read: impl FnMut() -> T, done: impl FnMut(&T) -> bool) -> Result {
    read_poll_timeout_atomic(|| Ok(read()), done, STEP, steps).map(|_| ())
}
