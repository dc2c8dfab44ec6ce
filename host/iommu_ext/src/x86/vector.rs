// SPDX-License-Identifier: GPL-2.0

//! Interrupts by message: the interface of `rust/x86/vector.rs`.
//!
//! Each registration has a message of its own. The machine, when a unit sends one, delivers it.

use kernel::{
    context,
    irq::IrqReturn,
    machine,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{
            AtomicU32,
            AtomicUsize,
            Ordering::{
                AcqRel,
                Acquire,
                Relaxed, //
            }, //
        },
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

/// What a unit must write, and where to, to raise the interrupt.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Low half of the address.
    pub address_low: u32,
    /// High half of the address.
    pub address_high: u32,
    /// The value.
    pub data: u32,
}

/// A source of one interrupt.
pub trait Vector: Send + Sync + 'static {
    /// Programs the message into the unit.
    fn write_message(&self, message: Message);

    /// Stops the unit from sending the message.
    fn mask(&self);

    /// Lets the unit send the message.
    fn unmask(&self);

    /// Handles the interrupt.
    fn handle(&self) -> IrqReturn;
}

/// Where the CPUs take messages.
const ADDRESS: u64 = 0xfee0_1000;

/// An interrupt that was requested.
struct Interrupt {
    handler: Box<dyn Vector>,
    /// Messages that were sent, and are not handled yet.
    pending: AtomicUsize,
    /// The machine that the interrupt is one of: see `machine::number`.
    machine: usize,
}

static INTERRUPTS: Mutex<BTreeMap<u32, std::sync::Arc<Interrupt>>> = Mutex::new(BTreeMap::new());

fn interrupts() -> MutexGuard<'static, BTreeMap<u32, std::sync::Arc<Interrupt>>> {
    INTERRUPTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the handler of a message called that a unit has sent. As in the kernel, it is called by one
/// CPU at a time: the one that is in it calls it again.
pub fn deliver(address: u64, data: u32) {
    assert_eq!(address, ADDRESS, "a message that goes nowhere");
    let found = interrupts().get(&data).cloned();
    let interrupt = found.expect("an interrupt that nobody asked for");
    let pending = &interrupt.pending;
    if pending.fetch_add(1, AcqRel) > 0 {
        return;
    }
    loop {
        let handled = pending.load(Acquire);
        context::without_memory(|| interrupt.handler.handle());
        if pending.fetch_sub(handled, AcqRel) == handled {
            return;
        }
    }
}

/// How many interrupts of a machine are requested, by the machine's number.
pub fn requested(machine: usize) -> usize {
    let is_meant = |interrupt: &&std::sync::Arc<Interrupt>| interrupt.machine == machine;
    interrupts().values().filter(is_meant).count()
}

struct Shared<T>(Arc<T>);

impl<T: Vector> Vector for Shared<T> {
    fn write_message(&self, message: Message) {
        self.0.write_message(message);
    }

    fn mask(&self) {
        self.0.mask();
    }

    fn unmask(&self) {
        self.0.unmask();
    }

    fn handle(&self) -> IrqReturn {
        self.0.handle()
    }
}

/// A requested interrupt: `T` handles it until the registration is dropped.
pub struct Registration<T: Vector> {
    data: u32,
    handler: Arc<T>,
}

impl<T: Vector> Registration<T> {
    /// Programs the message, requests the interrupt, and unmasks it.
    ///
    /// # Errors
    ///
    /// None on the host.
    pub fn new(_: CString, handler: Arc<T>) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(32);
        let data = NEXT.fetch_add(1, Relaxed);
        handler.mask();
        handler.write_message(Message {
            address_low: ADDRESS as u32,
            address_high: (ADDRESS >> 32) as u32,
            data,
        });
        let interrupt = Interrupt {
            handler: Box::new(Shared(handler.clone())),
            pending: AtomicUsize::new(0),
            machine: machine::number(),
        };
        interrupts().insert(data, std::sync::Arc::new(interrupt));
        handler.unmask();
        Ok(Self { data, handler })
    }
}

impl<T: Vector> Drop for Registration<T> {
    fn drop(&mut self) {
        self.handler.mask();
        interrupts().remove(&self.data);
    }
}
