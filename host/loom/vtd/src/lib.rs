// SPDX-License-Identifier: GPL-2.0

//! The invalidation queue of `drivers/iommu/vtd`, and a unit that takes what is in it.
//!
//! The crate stands in for `rust/` itself, as pages are larger here than in the machine of page
//! tables: a ring has 256 slots.

extern crate self as iommu_ext;

#[path = "../../../../rust/addr.rs"]
pub mod addr;
#[path = "../../../iommu_ext/src/io_window.rs"]
pub mod io_window;
pub mod pages;
#[path = "../../../iommu_ext/src/ratelimit.rs"]
pub mod ratelimit;
pub mod sync;
pub mod unit;

/// The driver's folder, so that the parts of its source are found.
#[path = "../../../../drivers/iommu/vtd"]
#[expect(dead_code, reason = "all that is used of the driver is its queue")]
mod source {
    pub(crate) mod invalidate;
    pub(crate) mod regs {
        //! The registers that the queue uses.

        pub(crate) mod capability;
        pub(crate) mod command;
        pub(crate) mod fault;
        pub(crate) mod invalidation;

        pub(crate) type Regs = iommu_ext::io_window::IoWindow<4096>;
    }
}

/// What the descriptors use of the tables.
mod tables {
    pub(crate) mod context {
        /// What a unit calls a domain in its caches.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) struct DomainId(u16);

        impl DomainId {
            pub(crate) const fn value(self) -> u16 {
                self.0
            }
        }
    }

    /// The page frame of an address.
    pub(crate) fn frame(address: u64) -> kernel::num::Bounded<u64, 52> {
        kernel::num::Bounded::from_expr(address >> 12)
    }
}

// By the names that the sources know each other by.
use source::{
    invalidate,
    regs, //
};

use addr::PhysAddr;
use invalidate::{
    descriptor::Descriptor,
    queue::{
        self,
        Attempt, //
    }, //
};
use kernel::{
    machine,
    prelude::*,
    sync::Arc, //
};
use pages::NumaNode;
use regs::{
    capability::Drain,
    command::Command,
    Regs, //
};
use unit::{
    Board,
    Unit, //
};

/// What can be asked for.
#[derive(Clone, Copy)]
pub enum Request {
    /// Drop all cached context entries.
    Contexts,
    /// Drop all cached translations.
    Translations,
}

/// The driver's queue, and the unit that it belongs to.
pub struct Queue {
    queue: Arc<queue::Queue>,
    pub unit: std::sync::Arc<Unit>,
    _entered: machine::Entered,
}

impl Queue {
    /// An empty queue, for a machine of so many CPUs. To be made first in each model.
    pub fn new(cpus: usize) -> Self {
        pages::start();
        let unit = std::sync::Arc::new(Unit::new(cpus));
        let entered = machine::enter(std::sync::Arc::new(Board(unit.clone())));
        let regs = Regs::new(PhysAddr(unit::REGISTERS), 4096, c"unit").unwrap();
        let regs = Arc::new(regs, GFP_KERNEL).unwrap();
        let drain = Drain {
            reads: true,
            writes: true,
        };
        let command = Arc::pin_init(Command::new(regs.clone()), GFP_KERNEL).unwrap();
        let queue = queue::Queue::new(regs, command, drain, NumaNode::ANY).unwrap();
        let queue = Arc::pin_init(queue, GFP_KERNEL).unwrap();
        unit.use_ring(queue.ring());
        Self {
            queue,
            unit,
            _entered: entered,
        }
    }

    /// Sends a request and waits for it.
    ///
    /// # Errors
    ///
    /// As the driver's.
    pub fn submit(&self, request: Request) -> Result {
        let request = match request {
            Request::Contexts => Descriptor::ContextGlobal,
            Request::Translations => Descriptor::IotlbGlobal,
        };
        match self.queue.try_one(request)? {
            Attempt::Done => Ok(()),
            Attempt::TimedOut => self.queue.submit(&[request]),
        }
    }

    /// What the handler of the fault event does.
    pub fn recover(&self) {
        self.queue.recover();
    }

    /// Gives the unit up.
    pub fn give_up(&self) {
        self.queue.give_up("a model");
    }
}
