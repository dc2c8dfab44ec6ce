// SPDX-License-Identifier: GPL-2.0

//! The file `detach` of a unit in `/sys/class/iommu`.

use crate::unit::Unit;
use core::slice;
use kernel::{
    bindings,
    ffi::c_char,
    prelude::*, //
};

/// What the device of each unit has in sysfs.
#[repr(transparent)]
pub(crate) struct Groups([*const bindings::attribute_group; 2]);

// SAFETY: The tables behind the pointers are never changed.
unsafe impl Sync for Groups {}

impl Groups {
    /// The list as the C core takes it.
    pub(crate) fn as_ptr(&'static self) -> *mut *const bindings::attribute_group {
        self.0.as_ptr().cast_mut()
    }
}

#[repr(transparent)]
struct Attributes([*mut bindings::attribute; 2]);

// SAFETY: The attributes behind the pointers are never changed.
unsafe impl Sync for Attributes {}

#[repr(transparent)]
struct Group(bindings::attribute_group);

// SAFETY: The table is never changed.
unsafe impl Sync for Group {}

#[repr(transparent)]
struct DeviceAttribute(bindings::device_attribute);

// SAFETY: The attribute is never changed.
unsafe impl Sync for DeviceAttribute {}

pub(crate) static GROUPS: Groups = Groups([&raw const GROUP.0, core::ptr::null()]);

static GROUP: Group = Group(bindings::attribute_group {
    __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
        attrs: ATTRIBUTES.0.as_ptr().cast_mut(),
    },
    ..pin_init::zeroed()
});

static ATTRIBUTES: Attributes =
    Attributes([(&raw const DETACH.0.attr).cast_mut(), core::ptr::null_mut()]);

#[cfg_attr(
    not(CONFIG_DEBUG_LOCK_ALLOC),
    expect(
        clippy::needless_update,
        reason = "without lockdep, attributes have no other fields"
    )
)]
static DETACH: DeviceAttribute = DeviceAttribute(bindings::device_attribute {
    attr: bindings::attribute {
        name: c"detach".to_bytes_with_nul().as_ptr(),
        // Written by root alone.
        mode: 0o200,
        ..pin_init::zeroed()
    },
    __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
        store: Some(detach_callback),
    },
    ..pin_init::zeroed()
});

/// A write to the file.
///
/// # Safety
///
/// Called by sysfs, with the device of a unit and `count` bytes at `buf`.
unsafe extern "C" fn detach_callback(
    dev: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    buf: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: sysfs gives a buffer of `count` bytes.
    let text = unsafe { slice::from_raw_parts(buf.cast::<u8>(), count) };
    // SAFETY: The device lives as long as the file is open.
    let iommu: *mut bindings::iommu_device = unsafe { bindings::dev_get_drvdata(dev) }.cast();
    if iommu.is_null() {
        // The device is being added or removed.
        return isize_of(ENODEV);
    }
    // SAFETY: The driver data is the object of the unit, which waits for this call before it is
    // dropped.
    let unit = unsafe { Unit::from_raw(iommu) };
    match detach(unit, text) {
        // CAST: At most a page.
        Ok(()) => count as isize,
        Err(e) => isize_of(e),
    }
}

fn detach(unit: &Unit, text: &[u8]) -> Result {
    if text.trim_ascii() != b"1" {
        pr_err!(
            "{}: detach takes 1, not what was written\n",
            unit.instance().name()
        );
        return Err(EINVAL);
    }
    unit.detach()
}

fn isize_of(e: Error) -> isize {
    // CAST: Error numbers are small.
    e.to_errno() as isize
}
