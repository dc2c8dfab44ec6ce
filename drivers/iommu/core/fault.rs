// SPDX-License-Identifier: GPL-2.0

//! Faults: DMA that an instance refused.
//!
//! The driver decodes what the hardware recorded; the core finds the endpoint behind it and says
//! in the log which device tried what, and why it was refused. The log is rate limited per
//! instance.

use crate::{
    instance::Instance,
    route::Pasid, //
};
use iommu_ext::addr::Iova;
use kernel::{
    fmt, //
    prelude::*,
};

/// What a device tried to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read memory.
    Read,
    /// Write memory.
    Write,
    /// Read memory to execute it.
    Execute,
}

/// A refused access.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Requester ID the access carried.
    pub id: u32,
    /// PASID the access carried.
    pub pasid: Option<Pasid>,
    /// Address the access carried, as precisely as the hardware records it (VT-d: 4 KiB).
    pub iova: Iova,
    /// What the device tried.
    pub access: Access,
    /// Why it was refused, in words.
    pub reason: &'static str,
    /// Why it was refused, as the specification numbers it.
    pub code: u8,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
        })
    }
}

/// Delivers a fault that `instance` recorded. Any context.
pub fn report(instance: &Instance, fault: &Fault) {
    if !instance.may_log_fault() {
        return;
    }
    let mut known = false;
    instance.endpoints_of(fault.id, |endpoint| {
        known = true;
        log(instance, fault, endpoint.name());
    });
    if !known {
        log(instance, fault, c"a device that is not known");
    }
}

fn log(instance: &Instance, fault: &Fault, device: &CStr) {
    let Fault {
        id,
        iova,
        access,
        reason,
        code,
        ..
    } = *fault;
    match fault.pasid {
        None => pr_err!(
            "{}: fault: {device} (requester {:02x}:{:02x}.{}), {access} at IOVA {:#x}: \
             {reason} (code {code:#04x})\n",
            instance.name(),
            id >> 8,
            id >> 3 & 0x1f,
            id & 7,
            iova.0
        ),
        Some(pasid) => pr_err!(
            "{}: fault: {device} (requester {:02x}:{:02x}.{}, PASID {:#x}), {access} at IOVA \
             {:#x}: {reason} (code {code:#04x})\n",
            instance.name(),
            id >> 8,
            id >> 3 & 0x1f,
            id & 7,
            pasid.value(),
            iova.0
        ),
    }
}
