// SPDX-License-Identifier: GPL-2.0

//! A unit: what tests do with it.

use crate::{
    bus::{
        Bus,
        Found, //
    },
    cache::Caches,
    command::{
        Pending,
        QUEUE, //
    },
    config::Config,
    device::{
        Conduct,
        Device,
        PATIENCE, //
    },
    fault::{
        status,
        Fault,
        Record, //
    },
    history::{
        Event,
        History, //
    },
    order::{
        Order,
        Step, //
    },
    queue::{
        Queue,
        Refusal,
        Translations, //
    },
    random::Random, //
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

/// An access that was translated and is not complete yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InFlight {
    /// Where it goes.
    pub to: u64,
    /// Whether it is a write.
    pub write: bool,
    pub(crate) address: u64,
    pub(crate) did: u16,
    /// The device that has translated it.
    pub(crate) by: Option<u16>,
}

impl InFlight {
    /// The device, if it has translated the address itself.
    pub fn by(&self) -> Option<u16> {
        self.by
    }
}

/// All that a unit consists of.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) random: Random,
    pub(crate) history: History,
    pub(crate) order: Order,
    pub(crate) caches: Caches,
    pub(crate) queue: Queue,

    pub(crate) global_status: u32,
    pub(crate) pending: Option<Pending>,
    /// RTADDR_REG.
    pub(crate) root_pointer: u64,
    /// What the last command has made of it.
    pub(crate) root_table: Option<u64>,
    /// What was cached from the root table before may be in use.
    pub(crate) stale_contexts: bool,
    pub(crate) stale_translations: bool,

    pub(crate) protected_enable: bool,
    pub(crate) protected_pending: Option<bool>,
    pub(crate) protected_status: bool,

    pub(crate) fault_status: u32,
    pub(crate) records: Vec<Record>,
    pub(crate) next_record: usize,
    pub(crate) event_masked: bool,
    pub(crate) event_pending: bool,
    pub(crate) event_data: u32,
    pub(crate) event_address: u64,
    /// Messages that the CPUs have not taken yet.
    pub(crate) messages: Vec<(u64, u32)>,

    /// Tables and domain IDs that were read from context entries.
    pub(crate) contexts_read: BTreeSet<(u64, u16)>,
    pub(crate) in_flight: Vec<InFlight>,
    /// Devices whose TLBs are on.
    pub(crate) devices: Vec<Device>,
    /// They ask nothing, and their software asks them nothing.
    pub(crate) are_devices_asleep: bool,
    /// ITESID, ICESID: the last device that has not answered, or what was not asked.
    pub(crate) timeout_of: u16,
    pub(crate) completion_error_of: u16,
    /// The unit does not say which device has not answered: there is no such field.
    pub(crate) names_no_device: bool,
    /// Steps after which a device that has not answered will not.
    pub(crate) patience: usize,
    /// How often the queue has met an error.
    pub(crate) errors: u64,
    /// To be recorded before an error of the queue is cleared.
    pub(crate) on_error: Option<Fault>,
    /// Steps for which the queue does nothing.
    pub(crate) hangs: usize,
    /// After so many commands one is ignored.
    pub(crate) ignores: Option<usize>,
    /// The queue does nothing until it is turned off.
    pub(crate) is_wedged: bool,
    /// The queue does not go off.
    pub(crate) keeps_queue: bool,
    /// All commands are ignored.
    pub(crate) ignores_all: bool,
    /// CCMD_REG and IOTLB_REG.
    pub(crate) context_command: u64,
    pub(crate) iotlb_command: u64,
    /// Those two do nothing.
    pub(crate) ignores_registers: bool,
    /// The queue does nothing while that of this unit is off.
    pub(crate) needs: Option<Arc<Unit>>,
    /// Registers cannot be reached. Requests still can, by what is cached and in memory.
    pub(crate) is_dead: bool,
}

impl State {
    /// The state after reset.
    fn new(config: Config, bus: Arc<dyn Bus>, random: Random) -> Self {
        let mut state = Self {
            config,
            bus,
            random,
            history: History::default(),
            order: Order::default(),
            caches: Caches::default(),
            queue: Queue::default(),
            global_status: 0,
            pending: None,
            root_pointer: 0,
            root_table: None,
            stale_contexts: false,
            stale_translations: false,
            protected_enable: config.protected_memory,
            protected_pending: None,
            protected_status: config.protected_memory,
            fault_status: 0,
            records: vec![Record::default(); config.fault_records],
            next_record: 0,
            event_masked: true,
            event_pending: false,
            event_data: 0,
            event_address: 0,
            messages: Vec::new(),
            contexts_read: BTreeSet::new(),
            in_flight: Vec::new(),
            devices: Vec::new(),
            are_devices_asleep: false,
            timeout_of: 0,
            completion_error_of: 0,
            names_no_device: false,
            patience: PATIENCE,
            errors: 0,
            on_error: None,
            hangs: 0,
            ignores: None,
            ignores_all: false,
            is_wedged: false,
            keeps_queue: false,
            context_command: 0,
            iotlb_command: 0,
            ignores_registers: false,
            needs: None,
            is_dead: false,
        };
        state.scramble();
        state
    }

    /// Completes accesses in flight that an invalidation waits for (6.5.4). A unit that cannot be
    /// told to, does.
    pub(crate) fn drain(&mut self, what: Translations, reads: bool, writes: bool) {
        let always = !self.config.drain;
        self.in_flight.retain(|access| {
            let is_meant = match what {
                Translations::All => true,
                Translations::Domain(did) => access.did == did,
                Translations::Pages {
                    did, first, last, ..
                } => access.did == did && (first..=last).contains(&access.address),
            };
            let waits = if access.write { writes } else { reads };
            // What a device has translated is the device's business.
            access.by.is_some() || !(is_meant && (waits || always))
        });
    }

    /// What was written to memory is seen from here on (6.8).
    pub(crate) fn flush_write_buffer(&self) {
        if self.config.write_buffer {
            self.bus.flush_write_buffer();
        }
    }

    /// What in memory leads to the page at `page`, beginning with the root table.
    fn memory_leads_to(&self, page: u64) -> Option<String> {
        let root = self.root_table? >> 12 << 12;
        if root == page {
            return Some("it is the root table".into());
        }
        let read = |at| match self.bus.read(at, self.config.sees_at_once()) {
            Found::Value(word) if word & 1 != 0 => Some(word),
            _ => None,
        };
        let address = |word: u64| crate::bits(word, 51, 12) << 12;
        for bus in 0..256u64 {
            let Some(contexts) = read(root + 16 * bus).map(address) else {
                continue;
            };
            if contexts == page {
                return Some(format!("it is the context table of bus {bus:#x}"));
            }
            let leads = |devfn: &u64| read(contexts + 16 * devfn).map(address) == Some(page);
            if let Some(devfn) = (0..256).find(leads) {
                return Some(format!(
                    "the context entry of {bus:x}:{devfn:x} leads there"
                ));
            }
        }
        None
    }
}

/// A unit.
pub struct Unit(Mutex<State>);

impl Unit {
    /// A unit after reset.
    pub fn new(config: Config, bus: Arc<dyn Bus>) -> Self {
        let random = Random::new(config.seed);
        Self(Mutex::new(State::new(config, bus, random)))
    }

    /// The unit loses its power, and with it all that it was told and has cached.
    pub fn lose_power(&self) {
        let mut state = self.state();
        state.history.note(Event::PowerLost);
        let config = state.config;
        state.caches = Caches::default();
        state.queue.lose_power();
        state.global_status = 0;
        state.pending = None;
        state.root_pointer = 0;
        state.root_table = None;
        state.stale_contexts = false;
        state.stale_translations = false;
        state.protected_enable = config.protected_memory;
        state.protected_pending = None;
        state.protected_status = config.protected_memory;
        state.fault_status = 0;
        state.records = vec![Record::default(); config.fault_records];
        state.next_record = 0;
        state.event_masked = true;
        state.event_pending = false;
        state.scramble();
    }

    /// Records the steps from here on (`begin`), or ends the record. Returns the steps of the one
    /// before.
    pub fn record_steps(&self, begin: bool) -> Vec<Step> {
        self.state().order.record(begin)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The CPU reads `size` bytes of registers at `offset`.
    pub fn read_register(&self, offset: usize, size: usize) -> u64 {
        self.state().read_register(offset, size)
    }

    /// The CPU writes `size` bytes of registers at `offset`.
    pub fn write_register(&self, offset: usize, size: usize, value: u64) {
        self.state().write_register(offset, size, value);
    }

    /// Time passes: the unit may take up a command or a descriptor, or forget something.
    pub fn step(&self) {
        let needed = self.state().needs.clone();
        let may_invalidate = needed.is_none_or(|other| other.is_queue_on());
        let mut guard = self.state();
        let state = &mut *guard;
        state.step_command();
        state.step_register_invalidations();
        state.step_devices();
        if may_invalidate {
            state.step_queue();
        }
        if state.random.one_in(4) {
            let chance = state.random.below(1 << 16) as u64;
            state.bus.settle(chance);
        }
        if state.random.one_in(state.config.evict_one_in) {
            state.caches.evict(&mut state.random);
        }
    }

    /// A device's request to read or write at `address`, by the TLB of the device if that is on.
    /// Says where it goes.
    ///
    /// # Errors
    ///
    /// The unit has refused the request, and recorded that.
    pub fn dma(&self, sid: u16, address: u64, write: bool) -> Result<u64, Fault> {
        self.state().device_request(sid, address, write, false)
    }

    /// As [`dma`](Self::dma), but the access stays in flight until an invalidation waits for it.
    ///
    /// # Errors
    ///
    /// As [`dma`](Self::dma).
    pub fn begin_dma(&self, sid: u16, address: u64, write: bool) -> Result<u64, Fault> {
        self.state().device_request(sid, address, write, true)
    }

    /// As [`dma`](Self::dma), but the device does not use its TLB.
    ///
    /// # Errors
    ///
    /// As [`dma`](Self::dma).
    pub fn untranslated_dma(&self, sid: u16, address: u64, write: bool) -> Result<u64, Fault> {
        let (_, to) = self.state().request(sid, address, write)?;
        Ok(to)
    }

    /// The TLB of a device is turned on, empty. The device can hold `depth` requests to drop
    /// something.
    pub fn enable_device_tlb(&self, sid: u16, depth: usize) {
        self.disable_device_tlb(sid);
        let mut state = self.state();
        if !state.is_translating() {
            state
                .history
                .violation("the TLB of a device is turned on while translation is off");
        }
        state.devices.push(Device::new(sid, depth));
    }

    /// The machine puts all devices to sleep, with their TLBs as they are, or wakes them.
    pub fn set_devices_asleep(&self, asleep: bool) {
        self.state().are_devices_asleep = asleep;
    }

    /// The TLB of a device is turned off, if it is on: the device keeps nothing, and asks nothing.
    pub fn disable_device_tlb(&self, sid: u16) {
        let mut state = self.state();
        state.devices.retain(|device| device.sid != sid);
        state.in_flight.retain(|access| access.by != Some(sid));
    }

    /// A request of which the device says that it has translated it to `to`, be that true or not.
    ///
    /// # Errors
    ///
    /// As [`dma`](Self::dma): the device is not believed.
    pub fn forged_dma(&self, sid: u16, to: u64, write: bool) -> Result<u64, Fault> {
        self.state().translated_request(sid, to, write, to)
    }

    /// Whether the TLB of a device is on.
    pub fn has_device_tlb(&self, sid: u16) -> bool {
        self.state().devices.iter().any(|device| device.sid == sid)
    }

    /// How a device, whose TLB is on, behaves from here on.
    pub fn set_conduct(&self, sid: u16, conduct: Conduct) {
        let mut state = self.state();
        let device = state.devices.iter_mut().find(|device| device.sid == sid);
        if let Some(device) = device {
            device.set_conduct(conduct);
        }
    }

    /// After how many steps a device that has not answered will not.
    pub fn set_patience(&self, steps: usize) {
        self.state().patience = steps;
    }

    /// Whether the unit says which device has not answered (ITESID).
    pub fn name_silent(&self, names_it: bool) {
        self.state().names_no_device = !names_it;
    }

    /// Whether the queue has stopped, and waits for software.
    pub fn is_stopped(&self) -> bool {
        self.state().fault_status & (status::QUEUE_ERROR | status::TIMEOUT) != 0
    }

    /// How often the queue has met an error: IQE, ITE, ICE.
    pub fn errors(&self) -> u64 {
        self.state().errors
    }

    /// The tables that context entries have led to so far, each with its domain ID.
    pub fn contexts_read(&self) -> BTreeSet<(u64, u16)> {
        self.state().contexts_read.clone()
    }

    /// The words of a requester's context entry (9.3), as the CPU sees them (`snoop`) or as they
    /// were written back last. No cache of the unit takes part. `None`: no context table is reached.
    pub fn context_entry(&self, sid: u16, snoop: bool) -> Option<[u64; 2]> {
        let state = self.state();
        let pair = |at| match state.bus.read_pair(at, snoop) {
            Found::Value(words) => Some(words),
            Found::Freed | Found::Nothing => None,
        };
        let root = state.root_table? >> 12 << 12;
        let [low, _] = pair(root + 16 * u64::from(sid >> 8))?;
        let contexts = crate::bits(low, 63, 12) << 12;
        (low & 1 != 0).then(|| pair(contexts + 16 * u64::from(sid & 0xff)))?
    }

    /// The accesses that are in flight.
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.state().in_flight.clone()
    }

    /// The page at `page` is about to be freed. Nothing that the unit uses may lead there.
    pub fn page_freed(&self, page: u64) {
        let mut state = self.state();
        state.history.note(Event::PageFreed { page });
        if state.global_status & QUEUE != 0 && state.queue.uses(page) {
            state
                .history
                .violation("the ring is freed while the queue is on");
        }
        if !state.is_translating() {
            return;
        }
        let use_of_it = state
            .caches
            .leads_to(page)
            .or_else(|| state.memory_leads_to(page));
        if let Some(what) = use_of_it {
            let what = format!("the page at {page:#x} is freed while it is in use: {what}");
            state.history.violation(&what);
        }
    }

    /// Messages that the unit has sent since the last call: address and data.
    pub fn take_messages(&self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.state().messages)
    }

    /// Descriptors executed so far.
    pub fn executed(&self) -> u64 {
        self.state().queue.executed
    }

    /// Whether requests are translated.
    pub fn is_translating(&self) -> bool {
        self.state().is_translating()
    }

    /// Whether there is memory that no DMA reaches (11.4.8), whatever tables say.
    pub fn protects_memory(&self) -> bool {
        self.state().protected_status
    }

    /// From here on refuses descriptors of these kinds, and no others.
    pub fn refuse(&self, refusals: &[Refusal]) {
        self.state().queue.refusals = refusals.to_vec();
    }

    /// So many of the next waits find that a device has not answered.
    pub fn time_out(&self, times: usize) {
        self.state().queue.timeouts = times;
    }

    /// Whether a wait is still to find that.
    pub fn times_out(&self) -> bool {
        self.state().queue.timeouts > 0
    }

    /// The queue rests for so many steps; `usize::MAX` is for good.
    pub fn hang(&self, steps: usize) {
        self.state().hangs = steps;
    }

    /// Invalidations by register do nothing from here on.
    pub fn ignore_registers(&self) {
        self.state().ignores_registers = true;
    }

    /// Registers read as all ones from here on, and writing them does nothing.
    pub fn die(&self) {
        let mut state = self.state();
        state.is_dead = true;
        state.hangs = usize::MAX;
    }

    /// After `after` more commands, the unit ignores one.
    pub fn ignore_command(&self, after: usize) {
        self.state().ignores = Some(after);
    }

    /// From here on, the queue does nothing while that of `other` is off, as on X58.
    pub fn depend_on(&self, other: Arc<Self>) {
        self.state().needs = Some(other);
    }

    /// Whether the queue is on.
    pub fn is_queue_on(&self) -> bool {
        self.state().global_status & QUEUE != 0
    }

    /// The queue does nothing until it is turned off.
    pub fn wedge(&self) {
        self.state().is_wedged = true;
    }

    /// From here on, the queue does not go off.
    pub fn keep_queue(&self) {
        self.state().keeps_queue = true;
    }

    /// From here on, the unit ignores all commands.
    pub fn ignore_commands(&self) {
        self.state().ignores_all = true;
    }

    /// Records a fault, as if the request had been refused, while the queue is in error: at the last
    /// moment, just before software clears the error.
    pub fn inject_on_error(&self, fault: &Fault) {
        self.state().on_error = Some(*fault);
    }

    /// Leaves errors of the queue in FSTS_REG, with the queue off.
    pub fn leave_error(&self) {
        self.state().set_status(status::OF_QUEUE);
    }

    /// Records a fault, as if the request had been refused.
    pub fn inject(&self, fault: &Fault) {
        self.state().record(fault);
    }
}
