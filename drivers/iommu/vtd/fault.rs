// SPDX-License-Identifier: GPL-2.0

//! The fault event: what DMA a unit has refused, in words (VT-d 7.1, 7.2, 7.3).
//!
//! A unit records refused requests in a few registers, a ring, and sends an interrupt when the
//! first of them fills. When all are full it drops further faults and sets an overflow bit, and
//! records nothing more until that bit is cleared: so a storm ends by itself, and reading is
//! bounded.
//!
//! The interrupt is sent when FSTS_REG becomes other than 0, and not for what is set after that
//! (11.4.7, FECTL_REG.IP). Errors of the invalidation queue are in that register, too: a fault that is
//! recorded while there is one sends nothing. So the handler sees to the queue as well, and ends
//! when it has found nothing set. What is set later, by whoever, finds the register clear and has
//! an interrupt of its own: nothing can be left behind, and whoever else clears an error of the
//! queue need not look for faults.
//!
//! Fault processing disable (the context entry's FPD) is not used against storms. It would have to
//! be written, and invalidated, from the interrupt; and of a device that has faulted often the next
//! fault is the one to know about. The overflow bit and the rate limit of the log bound the work as
//! well: a unit that has overflown is silent until we are done.

use crate::{
    regs::{
        fault::{
            FrcdHigh,
            FrcdLow,
            FEADDR_REG,
            FECTL_REG,
            FEDATA_REG,
            FEUADDR_REG,
            FSTS_REG, //
        },
        Regs, //
    },
    unit::Unit, //
};
use iommu_core::{
    fault::{
        self,
        Access,
        Fault, //
    },
    instance::Instance,
    route::Pasid, //
};
use iommu_ext::{
    addr::Iova,
    ratelimit::RateLimit,
    x86::vector::{
        Message,
        Vector, //
    }, //
};
use kernel::{
    irq::IrqReturn,
    prelude::*,
    sync::Arc, //
};

/// The fault event of a unit: delivers what the unit has recorded.
#[pin_data]
pub(crate) struct FaultEvent {
    unit: Arc<Unit>,
    instance: Arc<Instance>,
    #[pin]
    overflow_limit: RateLimit,
}

impl FaultEvent {
    /// The event of `unit`, whose faults are those of `instance`.
    pub(crate) fn new(unit: Arc<Unit>, instance: Arc<Instance>) -> impl PinInit<Self> {
        pin_init!(Self {
            unit,
            instance,
            overflow_limit <- RateLimit::new(),
        })
    }

    fn regs(&self) -> &Regs {
        self.unit.regs()
    }

    /// Delivers the faults that are pending, and lets the unit go on, until it has nothing to tell.
    fn drain(&self) -> IrqReturn {
        // As many rounds as it takes in practice, where records fill more slowly than they are
        // read, or overflow.
        const ROUNDS: usize = 16;
        // If a record fills in each of them, the others are freed unread: that is fast enough to
        // find all of them free once, or for an overflow.
        const UNREAD: usize = 16;
        let records = &self.unit.features.fault_records;
        let mut handled = IrqReturn::None;
        for round in 0..ROUNDS + UNREAD {
            let status = self.regs().read(FSTS_REG);
            let is_recorded = status.ppf() || status.pfo();
            if !is_recorded && !status.is_of_queue() {
                break;
            }
            handled = IrqReturn::Handled;
            if status.is_of_queue() {
                self.unit.queue.recover();
            }
            if is_recorded && round < ROUNDS {
                self.deliver_from(status.fri().into());
            } else if is_recorded {
                records.free_all(self.regs());
            }
            if status.pfo() {
                // Only now that all records are free: the unit goes on recording.
                self.regs().write_reg(FSTS_REG::zeroed().with_pfo(true));
            }
            if status.pfo() || round == ROUNDS {
                self.log_overflow();
            }
        }
        handled
    }

    /// Delivers and frees each pending record once, the oldest first.
    fn deliver_from(&self, first: usize) {
        let records = &self.unit.features.fault_records;
        let count = records.count;
        let first = first.checked_rem(count).unwrap_or(0);
        for step in 0..count {
            let index = first.wrapping_add(step);
            let index = if index < count {
                index
            } else {
                index.wrapping_sub(count)
            };
            if let Some((low, high)) = records.read(self.regs(), index) {
                // A record that was read can be cleared.
                let _ = records.clear(self.regs(), index);
                fault::report(&self.instance, &decode(low, high));
            }
        }
    }

    fn log_overflow(&self) {
        let name = self.instance.name();
        if self.overflow_limit.allows(name) {
            pr_err!("{name}: more faults than the unit can record (FSTS_REG.PFO)\n");
        }
    }
}

impl Vector for FaultEvent {
    fn write_message(&self, message: Message) {
        self.regs()
            .write_reg(FEDATA_REG::zeroed().with_imd(message.data));
        self.regs()
            .write_reg(FEADDR_REG::zeroed().with_ma(message.address_low));
        self.regs()
            .write_reg(FEUADDR_REG::zeroed().with_mua(message.address_high));
    }

    fn mask(&self) {
        // The other bits are to be kept as they are (11.4.7.2).
        self.regs()
            .write_reg(self.regs().read(FECTL_REG).with_im(true));
        // The read returns once the write has reached the unit.
        self.regs().read(FECTL_REG);
    }

    fn unmask(&self) {
        self.regs()
            .write_reg(self.regs().read(FECTL_REG).with_im(false));
        self.regs().read(FECTL_REG);
    }

    fn handle(&self) -> IrqReturn {
        self.drain()
    }
}

fn decode(low: FrcdLow, high: FrcdHigh) -> Fault {
    let pasid = || Pasid::new(high.pv().into()).ok();
    Fault {
        id: high.sid().into(),
        pasid: high.pp().then(pasid).flatten(),
        iova: Iova(low.fi().get() << 12),
        access: match (high.t1(), high.t2()) {
            (true, false) if high.pp() && high.exe() => Access::Execute,
            (true, false) => Access::Read,
            // Writes, and what reads and writes at once (atomic operations) or will (page
            // requests).
            _ => Access::Write,
        },
        reason: reason(high.fr()),
        code: high.fr(),
    }
}

/// What the fault reasons of legacy mode mean (VT-d 7.1.3).
fn reason(code: u8) -> &'static str {
    match code {
        0x1 => "no context table for the bus",
        0x2 => "no context entry for the device",
        0x3 => "the context entry is invalid",
        0x4 => "the address is wider than the unit or the table translates",
        0x5 => "not mapped for writing",
        0x6 => "not mapped for reading",
        0x7 => "a page table cannot be read",
        0x8 => "the root table cannot be read",
        0x9 => "the context table cannot be read",
        0xa => "reserved bits are set in the root entry",
        0xb => "reserved bits are set in the context entry",
        0xc => "reserved bits are set in a page-table entry",
        0xd => "the context entry forbids this kind of request",
        0xe => "mapped to the interrupt window",
        _ => "a reason that is not known",
    }
}
