// SPDX-License-Identifier: GPL-2.0

//! `struct iommu_ops`: devices appear, are grouped, and go.
//!
//! One table of callbacks serves every instance and every kind of IOMMU: which instance a device
//! belongs to is looked up by the node that its spec names.

use crate::{
    ats,
    bus_master::BusMaster,
    domain_ops,
    identity,
    spec::{
        self,
        Spec, //
    },
    unit, //
};
use iommu_core::{
    endpoint::Endpoint,
    firmware,
    group::{
        Group,
        Target, //
    },
    instance::Instance,
    quirks::Quirk,
    registry,
    reserved::{
        self,
        Class, //
    }, //
};
use iommu_ext::{
    module,
    pci::Function,
    sync::rcu_list, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::c_void,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        SetOnce, //
    },
    types::ForeignOwnable, //
};

/// What we keep for a device, behind `dev_iommu_priv_get()`.
pub(crate) struct Device {
    endpoint: Arc<Endpoint>,
    quirk: Option<Quirk>,
    group: SetOnce<Arc<Group>>,
    /// The driver of the device's unit stays loaded.
    _pin: module::Pin,
}

impl Device {
    /// What we keep for `dev`.
    ///
    /// # Safety
    ///
    /// `dev` was accepted by [`probe_device_callback`] and is not released during `'a`.
    pub(crate) unsafe fn of<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: `dev->iommu` exists from before `probe_device` until after `release_device`,
        // and `probe_device` set the pointer.
        unsafe { &*(*(*dev).iommu).priv_.cast::<Self>() }
    }

    /// The endpoint in our core.
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The group, once `device_group` was called.
    ///
    /// # Errors
    ///
    /// `ENODEV` before that.
    pub(crate) fn group(&self) -> Result<&Arc<Group>> {
        self.group.as_ref().ok_or(ENODEV)
    }
}

/// The callbacks, and the module that must stay while the C core may use them.
#[repr(transparent)]
pub(crate) struct Ops(bindings::iommu_ops);

// SAFETY: The table is never changed.
unsafe impl Sync for Ops {}

extern "C" {
    static __this_module: c_void;
}

pub(crate) static OPS: Ops = Ops(bindings::iommu_ops {
    capable: Some(capable_callback),
    domain_alloc_paging: Some(domain_ops::alloc_paging_callback),
    probe_device: Some(probe_device_callback),
    release_device: Some(release_device_callback),
    device_group: Some(device_group_callback),
    get_resv_regions: Some(get_resv_regions_callback),
    def_domain_type: Some(def_domain_type_callback),
    default_domain_ops: domain_ops::PAGING.as_ptr(),
    identity_domain: domain_ops::IDENTITY.as_ptr(),
    blocked_domain: domain_ops::BLOCKED.as_ptr(),
    // No `release_domain`: it would block requester IDs that another device still shares.
    // `release_device` blocks those that go with the device.
    owner: (&raw const __this_module).cast_mut().cast(),
    ..pin_init::zeroed()
});

impl Ops {
    pub(crate) fn as_ptr(&'static self) -> *const bindings::iommu_ops {
        &raw const self.0
    }
}

/// A device is there: find its instance, and make an endpoint of it.
///
/// # Safety
///
/// Called by the C core, with a device whose `dev->iommu` it has allocated.
unsafe extern "C" fn probe_device_callback(
    dev: *mut bindings::device,
) -> *mut bindings::iommu_device {
    // SAFETY: The C core holds a reference to the device during the call.
    let function = unsafe { Function::from_device(dev) };
    let probed = match function {
        Some(function) => probe_pci(function),
        // Firmware's scopes for other devices (ANDD) are not read: Documentation/todo.rst.
        None => Err(ENODEV),
    };
    match probed {
        Ok((device, iommu)) => {
            // SAFETY: The C core allocated `dev->iommu` before the call.
            unsafe { bindings::dev_iommu_priv_set(dev, device.into_foreign().cast()) };
            iommu
        }
        Err(e) => e.to_ptr(),
    }
}

fn probe_pci(function: &Function) -> Result<(KBox<Device>, *mut bindings::iommu_device)> {
    let spec = Spec::of_pci(function)?.ok_or(ENODEV)?;
    // First of all the pin, so that it goes last: the driver's code must be there for as long as
    // we hold a reference to its instance.
    let Some((iommu, pin)) = unit::registered(spec.unit) else {
        // While another unit is being registered, this one's turn is still to come.
        if !registry::is_registered(spec.unit) {
            pr_warn!(
                "{}: its DMA is not translated, as its unit is not in use\n",
                function.name()
            );
        }
        return Err(ENODEV);
    };
    let instance = registry::find(spec.unit).ok_or(ENODEV)?;
    if function.has_driver() {
        // To switch it now would pull the mappings away from under its DMA.
        pr_err!(
            "{}: {} had a driver before the unit was ready; its DMA stays blocked: load the \
             IOMMU driver from the initramfs\n",
            instance.name(),
            function.name()
        );
        return Err(ENODEV);
    }
    let quirk = quirk_of(function, &instance);
    if quirk == Some(Quirk::NotHere) {
        return Err(ENODEV);
    }
    let device_tlb = ats::device_tlb(function, &instance, &spec.ids, quirk)?;
    let name = CString::try_from(function.name())?;
    // Before the endpoint is made, so that nothing can fail after that.
    let device = KBox::new_uninit(GFP_KERNEL)?;
    let bus_master = Arc::new(BusMaster::of(function), GFP_KERNEL)?;
    let endpoint = instance.probe(name, spec.ids, device_tlb, Some(bus_master))?;
    let device = KBox::write(
        device,
        Device {
            endpoint,
            quirk,
            group: SetOnce::new(),
            _pin: pin,
        },
    );
    Ok((device, iommu))
}

/// What must be done about a function, as the log then says, too.
fn quirk_of(function: &Function, instance: &Instance) -> Option<Quirk> {
    let applied = identity::with(function, |function| instance.driver().quirks(function))?;
    pr_info!(
        "{}: {}: {}\n",
        instance.name(),
        function.name(),
        applied.why
    );
    Some(applied.quirk)
}

/// Has the instance forget an endpoint.
///
/// With a device TLB the endpoint holds a reference to the device. The last one is not to be
/// dropped by RCU, where nothing may sleep, but by who calls this.
fn release(endpoint: &Arc<Endpoint>) {
    endpoint.instance().release(endpoint);
    if endpoint.device_tlb().is_some() {
        rcu_list::barrier();
    }
}

/// A device goes.
///
/// # Safety
///
/// Called by the C core, once for each device that it has probed.
unsafe extern "C" fn release_device_callback(dev: *mut bindings::device) {
    // SAFETY: The C core releases only devices that `probe_device` accepted, and each once.
    let device = unsafe { KBox::<Device>::from_foreign((*(*dev).iommu).priv_.cast()) };
    let endpoint = device.endpoint();
    if let Ok(group) = device.group() {
        // What firmware has a device do goes on while its unit is on the way to be turned off. A
        // device that is removed leaves nothing behind: the next in its place starts blocked.
        // SAFETY: `dev->iommu` exists until after this call.
        let must_pass = unsafe { (*(*dev).iommu).require_direct() } != 0;
        let unit_goes = unit::registered(endpoint.instance().key()).is_none();
        let after = if must_pass && unit_goes {
            Target::Identity
        } else {
            Target::Blocked
        };
        group.leave(endpoint, &after);
    }
    release(endpoint);
}

/// The group of a device: decided from topology by the C core.
///
/// # Safety
///
/// Called by the C core, with a device that `probe_device` has just accepted.
unsafe extern "C" fn device_group_callback(
    dev: *mut bindings::device,
) -> *mut bindings::iommu_group {
    // SAFETY: The C core holds a reference to the device during the call.
    let open_switch = unsafe { Function::from_device(dev) }.and_then(group_of_open_switch);
    // SAFETY: Only PCI devices are accepted by `probe_device`.
    let group = open_switch.unwrap_or_else(|| unsafe { bindings::pci_device_group(dev) });
    let Ok(group) = from_err_ptr(group) else {
        return group;
    };
    // SAFETY: `probe_device` accepted the device just before, and the group is referenced.
    match unsafe { join(dev, group) } {
        Ok(()) => group,
        Err(e) => {
            // SAFETY: The reference was made for us.
            unsafe { bindings::iommu_group_put(group) };
            e.to_ptr()
        }
    }
}

/// The group of the nearest switch that does not send all requests up to the IOMMU, if the
/// function is one of its downstream ports or behind one; with a reference. The C core looks at
/// the path of each function alone, and so does not see that peers can reach each other there.
fn group_of_open_switch(function: &Function) -> Option<*mut bindings::iommu_group> {
    let group_of = |port: &Function| {
        // SAFETY: The port is referenced; the group, if it has one, is returned with a reference.
        let group = unsafe { bindings::iommu_group_get(port.as_device()) };
        (!group.is_null()).then_some(group)
    };
    // A virtual function may be on a bus that has no bridge of its own.
    core::iter::successors(Some(function.physical()), |function| function.bridge())
        .find_map(|function| function.find_peer_past_the_iommu(group_of))
}

/// Adds the endpoint of `dev` to our group behind the C group.
///
/// # Safety
///
/// `dev` was accepted by `probe_device`, and `group` is referenced. The C core's probe lock is
/// held.
unsafe fn join(dev: *mut bindings::device, group: *mut bindings::iommu_group) -> Result {
    // SAFETY: The caller holds a reference to the group.
    let data = unsafe { bindings::iommu_group_get_iommudata(group) };
    let ours = if data.is_null() {
        let ours = Group::new()?;
        // SAFETY: The group is referenced, and the callback frees what is put in here.
        unsafe {
            bindings::iommu_group_set_iommudata(
                group,
                ours.clone().into_foreign(),
                Some(group_release_callback),
            )
        };
        ours
    } else {
        // SAFETY: Data of a group is set by the driver of the IOMMU whose devices are in it, and
        // no other such driver for PCI devices of this architecture sets any. So it is from here.
        Arc::from(unsafe { <Arc<Group> as ForeignOwnable>::borrow(data) })
    };
    // SAFETY: The caller says that the device was accepted.
    let device = unsafe { Device::of(dev) };
    ours.join(device.endpoint().clone())?;
    device.group.populate(ours);
    Ok(())
}

/// The C group is freed: drop ours.
///
/// # Safety
///
/// Called by the C core, once, with what [`join`] put there.
unsafe extern "C" fn group_release_callback(data: *mut c_void) {
    // SAFETY: `join` put an `Arc<Group>` there, and the C core calls this once.
    drop(unsafe { Arc::<Group>::from_foreign(data) });
}

/// What the unit of a device can do.
///
/// # Safety
///
/// Called by the C core, with a device that it has probed.
unsafe extern "C" fn capable_callback(
    dev: *mut bindings::device,
    capability: bindings::iommu_cap,
) -> bool {
    // SAFETY: The C core asks only about devices it has probed.
    let device = unsafe { Device::of(dev) };
    let endpoint = device.endpoint();
    let limits = endpoint.instance().limits();
    match capability {
        bindings::iommu_cap_IOMMU_CAP_CACHE_COHERENCY => limits.cache_coherent,
        bindings::iommu_cap_IOMMU_CAP_ENFORCE_CACHE_COHERENCY => limits.snoop_control,
        bindings::iommu_cap_IOMMU_CAP_PRE_BOOT_PROTECTION => {
            firmware::had_pre_boot_protection(endpoint.instance().key())
        }
        bindings::iommu_cap_IOMMU_CAP_PCI_ATS_SUPPORTED => endpoint.device_tlb().is_some(),
        // Where each new mapping costs an invalidation, deferring the others gains nothing.
        bindings::iommu_cap_IOMMU_CAP_DEFERRED_FLUSH => {
            !limits.flush_on_map && device.quirk != Some(Quirk::Strict)
        }
        _ => false,
    }
}

/// The type of default domain that a device must have; 0 for any.
///
/// # Safety
///
/// Called by the C core, with a device that it has probed.
unsafe extern "C" fn def_domain_type_callback(dev: *mut bindings::device) -> i32 {
    // SAFETY: The C core asks only about devices it has probed.
    let device = unsafe { Device::of(dev) };
    // CAST: Small constants.
    match (device.endpoint().instance().limits().identity, device.quirk) {
        (None, _) => bindings::IOMMU_DOMAIN_DMA as i32,
        (Some(_), Some(Quirk::Identity)) => bindings::IOMMU_DOMAIN_IDENTITY as i32,
        (Some(_), _) => 0,
    }
}

/// The addresses that mappings for a device must keep out of.
///
/// # Safety
///
/// Called by the C core, with a device that it has probed and an initialised list of its own.
unsafe extern "C" fn get_resv_regions_callback(
    dev: *mut bindings::device,
    list: *mut bindings::list_head,
) {
    // SAFETY: The C core asks only about devices it has probed.
    let device = unsafe { Device::of(dev) };
    // SAFETY: The C core holds a reference to the device during the call.
    let Some(function) = (unsafe { Function::from_device(dev) }) else {
        return;
    };
    let listed = spec::with_path(function, |path| {
        reserved::for_each(device.endpoint(), Class(function.class()), path, |region| {
            // SAFETY: The C core gives an initialised list for us to add to.
            unsafe { add_region(list, &region) };
        });
    });
    if listed.is_err() {
        pr_err!("{}: no memory for its reserved regions\n", function.name());
    }
}

/// Adds one region to the list of the C core, which frees it.
///
/// # Safety
///
/// `list` is initialised, and nobody else uses it.
unsafe fn add_region(list: *mut bindings::list_head, region: &reserved::Region) {
    let (prot, kind) = match region.kind {
        reserved::Kind::Direct => (
            bindings::IOMMU_READ | bindings::IOMMU_WRITE,
            bindings::iommu_resv_type_IOMMU_RESV_DIRECT,
        ),
        reserved::Kind::DirectRelaxable => (
            bindings::IOMMU_READ | bindings::IOMMU_WRITE,
            bindings::iommu_resv_type_IOMMU_RESV_DIRECT_RELAXABLE,
        ),
        reserved::Kind::Msi => (0, bindings::iommu_resv_type_IOMMU_RESV_MSI),
    };
    let first = region.range.first().0;
    let len = region.range.last().0.wrapping_sub(first).wrapping_add(1);
    // SAFETY: Any range may be asked for.
    // CAST: Flags are small, sizes have 64 bits.
    let resv = unsafe {
        bindings::iommu_alloc_resv_region(
            first,
            len as usize,
            prot as i32,
            kind,
            bindings::GFP_KERNEL,
        )
    };
    if resv.is_null() {
        pr_err!("no memory for the reserved region at {first:#x}\n");
    } else {
        // SAFETY: The region is new, and the caller gives exclusive use of an initialised list.
        unsafe { bindings::list_add_tail(&raw mut (*resv).list, list) };
    }
}
