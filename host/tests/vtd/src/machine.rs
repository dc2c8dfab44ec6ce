// SPDX-License-Identifier: GPL-2.0

//! A machine with one remapping unit.
//!
//! Time passes for the unit when the driver waits, one step at a time. Devices do not wait: some of
//! their requests ([`Machine::traffic`]) come at any time, so that the unit has cached whatever it
//! may have cached, at the worst moments.

use crate::{
    fault::FaultEvent,
    quirks::{
        Chipset,
        Graphics, //
    },
    unit::{
        Started,
        Unit, //
    }, //
};
use bridge::unit::Translation;
use iommu_core::instance::Instance;
use iommu_ext::{
    addr::PhysAddr,
    fwnode::Key,
    memory::Memory,
    pages::NumaNode,
    x86::vector::{
        self,
        Registration, //
    }, //
};
use kernel::{
    machine::{
        self,
        Entered,
        Registers, //
    },
    prelude::*,
    str::CString,
    sync::{
        rcu,
        Arc, //
    }, //
};
use std::{
    collections::VecDeque,
    sync::{
        self as host,
        atomic::{
            AtomicBool,
            AtomicUsize,
            Ordering::Relaxed, //
        },
        Mutex,
        PoisonError, //
    }, //
};
use vtd_model::{
    bus::{
        Bus,
        Found, //
    },
    config::Config, //
};

/// Where the registers are.
pub(crate) const BASE: u64 = 0xfed9_0000;
/// Where those of a [second unit](Machine::add_unit) are.
pub(crate) const SECOND: u64 = 0xfed9_1000;

/// Memory, as the unit reaches it.
struct MemoryBus {
    memory: host::Arc<Memory>,
    /// CPU caches hold nothing back.
    coherent: bool,
}

impl MemoryBus {
    fn found<T>(address: u64, value: Option<T>) -> Found<T> {
        match value {
            Some(value) => Found::Value(value),
            None if Memory::contains(PhysAddr(address)) => Found::Freed,
            None => Found::Nothing,
        }
    }
}

impl Bus for MemoryBus {
    fn read(&self, address: u64, snoop: bool) -> Found<u64> {
        Self::found(address, self.memory.read(PhysAddr(address), snoop))
    }

    fn read_pair(&self, address: u64, snoop: bool) -> Found<[u64; 2]> {
        Self::found(address, self.memory.read_pair(PhysAddr(address), snoop))
    }

    fn write(&self, address: u64, value: u32) -> bool {
        self.memory.write_low(PhysAddr(address), value)
    }

    fn settle(&self, chance: u64) {
        self.memory.settle(chance);
    }

    fn flush_write_buffer(&self) {
        self.memory.flush_write_buffer(self.coherent);
    }
}

/// A request of a device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) sid: u16,
    pub(crate) address: u64,
    pub(crate) write: bool,
}

/// What the code under test runs on.
struct Board {
    memory: host::Arc<Memory>,
    hardware: host::Arc<vtd_model::Unit>,
    second: Mutex<Option<host::Arc<vtd_model::Unit>>>,
    /// Requests that come at any time, taken in turn.
    traffic: Mutex<(Vec<Request>, usize)>,
    /// How often the CPU has written, and how often it has waited for a queue that has stopped.
    writes: AtomicUsize,
    waits: AtomicUsize,
    /// Whether the queue had stopped when that was last looked at.
    is_stopped: AtomicBool,
    /// What is to be done while someone waits, one after the other, and after how many moments of
    /// waiting each.
    interruptions: Mutex<VecDeque<(usize, Interruption)>>,
    /// Called after every store.
    watcher: Mutex<Option<Watcher>>,
    /// Held once for each mapping of the unit's registers, and once here.
    mappings: host::Arc<()>,
}

type Interruption = Box<dyn FnOnce() + Send>;
type Watcher = host::Arc<dyn Fn() + Send + Sync>;

impl Board {
    /// One request, if there are any. Where it goes does not matter: what it leaves in the caches
    /// does.
    fn pass_time(&self) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, next) = &mut *traffic;
        let request = requests.get(*next % requests.len().max(1)).copied();
        *next = next.wrapping_add(1);
        drop(traffic);
        if let Some(Request {
            sid,
            address,
            write,
        }) = request
        {
            let _ = self.hardware.dma(sid, address, write);
        }
    }

    /// Does what is to be done in the middle of someone's waiting, if it is time.
    fn interrupt(&self) {
        let interruption = || {
            let mut due = self.interruptions.lock().unwrap();
            match due.front_mut() {
                Some((0, _)) => due.pop_front(),
                Some((moments, _)) => {
                    *moments -= 1;
                    None
                }
                None => None,
            }
        };
        if let Some((_, f)) = interruption() {
            f();
        }
    }

    fn deliver(&self) {
        if !machine::takes_interrupts() {
            return;
        }
        for (address, data) in self.hardware.take_messages() {
            machine::disable_interrupts();
            vector::deliver(address, data);
            machine::restore_interrupts();
        }
    }
}

impl machine::Machine for Board {
    fn relax(&self) {
        // While the queue has stopped hardly anything can happen, and the driver polls thousands of
        // times before it looks.
        if self.is_stopped.load(Relaxed) && self.waits.fetch_add(1, Relaxed) % 64 != 0 {
            return;
        }
        self.is_stopped.store(self.hardware.is_stopped(), Relaxed);
        self.hardware.step();
        let second = self.second.lock().unwrap().clone();
        if let Some(second) = second {
            second.step();
        }
        self.pass_time();
        self.deliver();
        self.interrupt();
    }

    fn wrote(&self) {
        let watcher = self.watcher.lock().unwrap().clone();
        watcher.into_iter().for_each(|watch| watch());
        if self.writes.fetch_add(1, Relaxed) % 4 == 0 {
            self.pass_time();
        }
    }

    fn enable_interrupts(&self) {
        self.deliver();
    }

    fn node(&self) -> i32 {
        self.memory.node().0
    }

    fn device(&self, start: u64) -> Option<host::Arc<dyn Registers>> {
        let hardware = match start {
            BASE => Some(self.hardware.clone()),
            SECOND => self.second.lock().unwrap().clone(),
            _ => None,
        };
        Some(host::Arc::new(Window {
            hardware: hardware?,
            _mapping: self.mappings.clone(),
        }))
    }

    fn free(&self, page: u64) {
        self.hardware.page_freed(page);
    }
}

/// The registers of the unit, mapped.
struct Window {
    hardware: host::Arc<vtd_model::Unit>,
    _mapping: host::Arc<()>,
}

impl Registers for Window {
    fn read(&self, offset: usize, size: usize) -> u64 {
        self.hardware.read_register(offset, size)
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        self.hardware.write_register(offset, size, value);
    }
}

/// A machine with one unit. The thread that makes it runs on it. When it is dropped, no memory may
/// be left in use, no registers be mapped, and no interrupt be requested.
pub(crate) struct Machine {
    pub(crate) hardware: host::Arc<vtd_model::Unit>,
    board: host::Arc<Board>,
    _entered: Entered,
    pub(crate) memory: host::Arc<Memory>,
    is_forgotten: bool,
}

impl Machine {
    pub(crate) fn new(config: Config) -> Self {
        let memory = host::Arc::new(Memory::new());
        if config.write_buffer {
            memory.buffer_writes();
        }
        let bus = host::Arc::new(MemoryBus {
            memory: memory.clone(),
            coherent: config.coherent,
        });
        let hardware = host::Arc::new(vtd_model::Unit::new(config, bus));
        let board = host::Arc::new(Board {
            memory: memory.clone(),
            hardware: hardware.clone(),
            second: Mutex::default(),
            traffic: Mutex::default(),
            writes: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
            interruptions: Mutex::default(),
            watcher: Mutex::default(),
            mappings: host::Arc::default(),
        });
        Self {
            hardware,
            _entered: machine::enter(board.clone()),
            board,
            memory,
            is_forgotten: false,
        }
    }

    /// Adds another unit, at [`SECOND`]. Its devices do nothing.
    pub(crate) fn add_unit(&self, config: Config) -> host::Arc<vtd_model::Unit> {
        let bus = host::Arc::new(MemoryBus {
            memory: self.memory.clone(),
            coherent: config.coherent,
        });
        let unit = host::Arc::new(vtd_model::Unit::new(config, bus));
        *self.board.second.lock().unwrap() = Some(unit.clone());
        unit
    }

    /// Lets another thread run on the machine.
    pub(crate) fn enter(&self) -> Entered {
        machine::enter(self.board.clone())
    }

    /// From here on these requests come at any time.
    pub(crate) fn traffic(&self, requests: Vec<Request>) {
        self.board.traffic.lock().unwrap().0 = requests;
    }

    /// Calls `f` after `moments` moments of waiting, in the middle of what the code that waits does.
    /// If there are interruptions already, its moments begin after those.
    pub(crate) fn interrupt(&self, moments: usize, f: impl FnOnce() + Send + 'static) {
        let mut due = self.board.interruptions.lock().unwrap();
        due.push_back((moments, Box::new(f)));
    }

    /// As [`interrupt`](Self::interrupt), on another CPU, which may sleep: whoever waits goes on when
    /// `f` has returned.
    pub(crate) fn meanwhile(&self, moments: usize, f: impl FnOnce() + Send + 'static) {
        let board = self.board.clone();
        self.interrupt(moments, move || {
            let other_cpu = std::thread::spawn(move || {
                let _entered = machine::enter(board);
                f();
            });
            other_cpu.join().expect("it does not fail");
        });
    }

    /// Forgets what [`interrupt`](Self::interrupt) was to call, if it has not yet.
    pub(crate) fn interrupt_no_more(&self) {
        self.board.interruptions.lock().unwrap().clear();
    }

    /// Calls `f` after every store of a word that hardware may read, and before every flush of a
    /// cache line, from here on: whoever looks between two stores is sure to see it. `f` may look at
    /// hardware, and stores nothing.
    pub(crate) fn watch(&self, f: impl Fn() + Send + Sync + 'static) {
        *self.board.watcher.lock().unwrap() = Some(host::Arc::new(f));
    }

    /// Forgets the machine, with the memory and all else that is in use.
    pub(crate) fn forget(mut self) {
        self.is_forgotten = true;
        // Its number, by which interrupts know it, is not used again.
        std::mem::forget(self.board.clone());
        std::mem::forget(self.memory.clone());
    }

    /// The driver's unit, claimed.
    pub(crate) fn claim(&self, host_bits: u8) -> Result<Arc<Unit>> {
        self.claim_at(BASE, host_bits)
    }

    /// As [`claim`](Self::claim), of the unit whose registers are at `base`.
    pub(crate) fn claim_at(&self, base: u64, host_bits: u8) -> Result<Arc<Unit>> {
        let name = CString::try_from(c"dmar0")?;
        let (base, chipset) = (PhysAddr(base), Chipset::new(Graphics::Passes));
        Unit::claim(name, base, host_bits, NumaNode::ANY, chipset)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.is_forgotten || std::thread::panicking() {
            return;
        }
        let mappings = host::Arc::strong_count(&self.board.mappings) - 1;
        assert_eq!(mappings, 0, "registers are left mapped");
        let number = host::Arc::as_ptr(&self.board).cast::<()>() as usize;
        assert_eq!(
            vector::requested(number),
            0,
            "an interrupt is left requested"
        );
    }
}

/// A unit that translates, and what the core knows of it. Dropped from the top down.
pub(crate) struct Running {
    _faults: Registration<FaultEvent>,
    pub(crate) instance: Arc<Instance>,
    _started: Started,
    pub(crate) unit: Arc<Unit>,
}

impl Running {
    /// Brings the machine's unit up, as loading the module does.
    pub(crate) fn new(machine: &Machine, config: &Config) -> Self {
        let running = Self::start(machine, config);
        running.translate();
        running
    }

    /// Turns translation on.
    pub(crate) fn translate(&self) {
        self.unit.enable().expect("it translates");
        self.instance.begin_translating();
    }

    /// As [`new`](Self::new), up to where translation is turned on.
    pub(crate) fn start(machine: &Machine, config: &Config) -> Self {
        let unit = machine.claim(config.host_bits).expect("there is a unit");
        let started = unit.start().expect("it starts");
        started.forget_all().expect("it works");
        let name = CString::try_from(unit.name()).expect("it has a name");
        let instance =
            Instance::new(name, Key(1), unit.limits(), unit.clone(), None).expect("memory");
        let faults = unit.report_faults(instance.clone()).expect("memory");
        Self {
            _faults: faults,
            instance,
            _started: started,
            unit,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let stopped = self.unit.disable();
        rcu::barrier();
        if !std::thread::panicking() && !self.instance.is_lost() {
            stopped.expect("it stops");
        }
    }
}
