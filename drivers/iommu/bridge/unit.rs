// SPDX-License-Identifier: GPL-2.0

//! Units: instances registered with the kernel's C core.
//!
//! Each unit has a device of its own in `/sys/class/iommu`, with a file `detach`: writing `1`
//! there gives the devices back to untranslated DMA and lets the driver's module be unloaded. It
//! is refused with `EBUSY`, and a line in the log, while a driver is bound to one of them.
//!
//! A unit moves one way only: made -> starting -> registered -> (blocked ->) detached.
//!
//! From the moment a device has a domain until it leaves, its DMA is translated, as far as it has
//! a driver: none binds before translation is on, nor after it is to be turned off
//! ([`Released::hold`]).
//! Translation is turned on after the devices have their domains, as firmware has some of them
//! use memory all the time (RMRR): their entries must be there by then.

use crate::{
    control,
    device_ops::OPS,
    takeover::Released, //
};
use core::ptr;
use iommu_core::{
    instance::Instance,
    registry, //
};
use iommu_ext::{
    fwnode,
    module,
    sync::rcu_list,
    vec::KVecExt, //
};
use kernel::{
    bindings,
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        global_lock,
        Arc,
        Mutex, //
    },
    types::Opaque, //
};

/// Turning translation of a unit on and off.
pub trait Translation: Send + Sync {
    /// Starts to translate: from here on DMA is subject to the entries of its routes.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: the hardware does not answer.
    fn enable(&self) -> Result;

    /// Stops to translate: DMA passes as if there were no IOMMU.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: the hardware does not answer.
    fn disable(&self) -> Result;
}

global_lock! {
    /// The units that devices may be probed for.
    // SAFETY: Initialised when the module is loaded.
    pub(crate) unsafe(uninit) static UNITS: Mutex<KVec<Entry>> = KVec::new();
}

/// What the C core needs to know of a unit to probe a device for it.
pub(crate) struct Entry {
    key: fwnode::Key,
    iommu: *mut bindings::iommu_device,
    module: &'static ThisModule,
}

// SAFETY: The address is only handed to the C core.
unsafe impl Send for Entry {}

/// The C core's object of the unit that `key` names, and what keeps its driver loaded; `None` if
/// no device may be probed for it (yet, or any more).
pub(crate) fn registered(key: fwnode::Key) -> Option<(*mut bindings::iommu_device, module::Pin)> {
    let units = UNITS.lock();
    let entry = units.iter().find(|entry| entry.key == key)?;
    // The unit is alive while its entry is there, and then for as long as its driver is loaded.
    Some((entry.iommu, module::Pin::new(entry.module).ok()?))
}

/// How far a unit has come.
enum State {
    /// The C core does not know it yet.
    Made,
    /// [`register_all`] is at work on it, or has failed.
    Starting,
    /// Its devices are translated. The driver's module stays loaded.
    Registered(module::Pin),
    /// Its devices are no longer translated for the C core, but blocked.
    Blocked(module::Pin),
    /// It is off, and may go.
    Detached,
}

/// Registers units with the C core, and turns their translation on, while no driver can bind.
///
/// # Errors
///
/// None of the units is registered, none that answers translates, and
///
/// - `EEXIST`: one was registered before.
/// - `ENODEV`: the module of one is being unloaded.
/// - what [`Released::hold`] and [`Unit::start`] return.
pub fn register_all<'a>(
    units: impl Iterator<Item = &'a Arc<Unit>> + Clone,
    released: &mut Released,
) -> Result {
    let mut pins = KVec::new();
    let mut started = KVec::new();
    for unit in units.clone() {
        unit.begin()?;
        pins.try_push(module::Pin::new(unit.module)?, GFP_KERNEL)?;
        started.try_reserve(1, GFP_KERNEL)?;
    }
    let held = released.hold()?;
    for unit in units.clone() {
        if let Err(e) = unit.start() {
            pr_err!(
                "{}: cannot be used: error {}\n",
                unit.instance().name(),
                e.to_errno()
            );
            started
                .iter()
                .rev()
                .for_each(|unit: &&Arc<Unit>| unit.stop());
            return Err(e);
        }
        started.try_push(unit, GFP_KERNEL)?;
    }
    drop(held);
    // From here on a unit may be detached.
    for (unit, pin) in units.zip(pins) {
        *unit.state.lock() = State::Registered(pin);
    }
    Ok(())
}

/// One instance registered with the C core.
#[pin_data(PinnedDrop)]
pub struct Unit {
    registration: registry::Registration,
    translation: Arc<dyn Translation>,
    module: &'static ThisModule,
    #[pin]
    iommu: Opaque<bindings::iommu_device>,
    #[pin]
    state: Mutex<State>,
}

// SAFETY: The C core's object is only used by the C core, which locks it, and by us under `state`.
unsafe impl Send for Unit {}
// SAFETY: As above.
unsafe impl Sync for Unit {}

impl Unit {
    /// Puts an instance into our registry and gives it a device in `/sys/class/iommu`. The C core
    /// does not use it yet.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: its firmware node names another instance already, or a unit of its name exists.
    /// - `ENOMEM`.
    pub fn new(
        instance: Arc<Instance>,
        translation: Arc<dyn Translation>,
        module: &'static ThisModule,
    ) -> Result<Arc<Self>> {
        let registration = registry::Registration::new(instance)?;
        let unit = Arc::pin_init(
            pin_init!(Self {
                registration,
                translation,
                module,
                iommu: Opaque::zeroed(),
                state <- new_mutex!(State::Made),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The object is zeroed and stays where it is; the name is NUL-terminated. The
        // device is removed when the unit is dropped.
        let added = to_result(unsafe {
            bindings::iommu_device_sysfs_add(
                unit.iommu.get(),
                ptr::null_mut(),
                control::GROUPS.as_ptr(),
                c"%s".as_char_ptr(),
                unit.instance().name().as_char_ptr(),
            )
        });
        if added.is_err() {
            // The call has freed the device, but left its address behind.
            // SAFETY: Nobody else knows the object yet.
            unsafe { (*unit.iommu.get()).dev = ptr::null_mut() };
        }
        added.map(|()| unit)
    }

    /// The unit that the C core's object `iommu` is part of.
    ///
    /// # Safety
    ///
    /// `iommu` is the object of a unit that is not dropped during `'a`.
    pub(crate) unsafe fn from_raw<'a>(iommu: *mut bindings::iommu_device) -> &'a Self {
        // SAFETY: By the requirement, `iommu` is that field of a live unit.
        unsafe { &*kernel::container_of!(Opaque::cast_from(iommu), Self, iommu) }
    }

    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        self.registration.instance()
    }

    /// Moves from `Made` to `Starting`. `state` is not locked while devices are held: a write to
    /// `detach` locks it first, and then holds the devices.
    fn begin(&self) -> Result {
        let mut state = self.state.lock();
        if !matches!(*state, State::Made) {
            return Err(EEXIST);
        }
        *state = State::Starting;
        Ok(())
    }

    /// Registers the unit with the C core, which makes endpoints of its devices and gives them
    /// domains; then turns translation on.
    ///
    /// # Errors
    ///
    /// The C core does not know the unit, its devices are blocked, and
    ///
    /// - `ETIMEDOUT`: the hardware does not answer; the driver then keeps what it may still walk.
    /// - what the C core returns if it cannot set up a device.
    fn start(&self) -> Result {
        UNITS.lock().try_push(
            Entry {
                key: self.instance().key(),
                iommu: self.iommu.get(),
                module: self.module,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The object is zeroed, has its device, and is unregistered before it is dropped.
        // The callbacks belong to this module, as `owner` says. A NULL node makes the C core use
        // them for every device that has no node of its own.
        let registered = to_result(unsafe {
            bindings::iommu_device_register(self.iommu.get(), OPS.as_ptr(), ptr::null_mut())
        });
        if let Err(e) = registered {
            self.forget();
            return Err(e);
        }
        // Off, before a driver can bind: it may translate nevertheless, and would refuse all DMA.
        self.translation.enable().inspect_err(|_| self.stop())?;
        self.instance().begin_translating();
        Ok(())
    }

    /// Takes back what [`start`](Self::start) has done.
    fn stop(&self) {
        self.unregister();
        if self.translation.disable().is_err() {
            // The hardware still walks its tables: they must never be freed.
            core::mem::forget(self.translation.clone());
        }
    }

    /// Gives the unit's devices back to untranslated DMA, and turns translation off.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the unit is not registered.
    /// - `EBUSY`: a driver is bound to one of the devices, or that of a port cannot be released. A
    ///   line in the log names the device.
    /// - `EIO`: the unit is lost. Nothing was changed, unless it was lost under way.
    /// - `ETIMEDOUT`: the hardware does not answer.
    ///
    /// If the hardware does not answer, or a device was added under way, DMA of all devices of the
    /// unit is blocked. Another try may then get further.
    pub fn detach(&self) -> Result {
        let mut state = self.state.lock();
        if matches!(*state, State::Made | State::Starting | State::Detached) {
            return Err(ENODEV);
        }
        self.refuse_lost()?;
        // They bind again when devices are not held any more.
        let mut ports = Released::ports_of(self.instance())?;
        let _held = ports.hold()?;
        let pin = match core::mem::replace(&mut *state, State::Detached) {
            State::Registered(pin) => {
                self.unregister();
                pin
            }
            State::Blocked(pin) => pin,
            State::Made | State::Starting | State::Detached => return Err(ENODEV),
        };
        match self.turn_off() {
            Ok(()) => {
                pr_info!("{}: detached\n", self.instance().name());
                Ok(())
            }
            Err(e) => {
                self.instance().block_passing();
                *state = State::Blocked(pin);
                Err(e)
            }
        }
    }

    /// Turns translation off, unless a device has come in between: it would have addresses that
    /// mean nothing without translation.
    fn turn_off(&self) -> Result {
        // It may have been lost under way.
        self.refuse_lost()?;
        // Endpoints that were released hold references to the instance until they are freed.
        rcu_list::barrier();
        if self.instance().has_endpoints() {
            pr_err!(
                "{}: cannot be detached: a device was added; remove it\n",
                self.instance().name()
            );
            return Err(EBUSY);
        }
        self.translation.disable()
    }

    /// Fails if the unit is lost. Its devices are cut off: a driver that bound after a detach would
    /// turn their DMA on again, while hardware may still translate by old entries.
    fn refuse_lost(&self) -> Result {
        if !self.instance().is_lost() {
            return Ok(());
        }
        pr_err!(
            "{}: cannot be detached: the unit is lost\n",
            self.instance().name()
        );
        Err(EIO)
    }

    /// Takes the unit from the C core, which releases its devices. Their DMA is blocked then,
    /// except of those that firmware uses: it passes untranslated, as soon it does for all.
    fn unregister(&self) {
        // First, so that no device is probed for it any more.
        self.forget();
        // SAFETY: Only called after the object was registered, and once.
        unsafe { bindings::iommu_device_unregister(self.iommu.get()) };
    }

    fn forget(&self) {
        let mut units = UNITS.lock();
        units.remove_where(|entry| entry.iommu == self.iommu.get());
        if units.is_empty() {
            // A static is never dropped: give the memory back by hand.
            *units = KVec::new();
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Unit {
    fn drop(self: Pin<&mut Self>) {
        {
            let mut state = self.state.lock();
            if let State::Registered(_) = *state {
                self.stop();
            }
            *state = State::Detached;
        }
        // SAFETY: The object is ours.
        let dev = unsafe { (*self.iommu.get()).dev };
        // It is gone if adding it has failed.
        if !dev.is_null() {
            // Waits for a write to `detach` that is under way.
            // SAFETY: The device was added, and no device links to it any more.
            unsafe { bindings::iommu_device_sysfs_remove(self.iommu.get()) };
        }
    }
}
