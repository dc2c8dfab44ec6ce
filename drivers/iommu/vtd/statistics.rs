// SPDX-License-Identifier: GPL-2.0

//! What each unit serves, and what was sent to it, in debugfs: `rust_vtd/<unit>`, lines of a name
//! and a number.

use crate::unit::Unit;
use iommu_core::instance::Instance;
use kernel::{
    debugfs,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// A unit, and the instance that it is to the core.
pub(crate) struct Subject {
    unit: Arc<Unit>,
    instance: Arc<Instance>,
}

/// The file of one unit.
pub(crate) type File = debugfs::File<Subject>;

/// The directory `rust_vtd`. It goes with the last file in it.
pub(crate) struct Directory(debugfs::Dir);

impl Directory {
    /// Makes the directory. A kernel without debugfs has none, which is no error.
    pub(crate) fn new() -> Self {
        Self(debugfs::Dir::new(c"rust_vtd"))
    }

    /// Adds the file of a unit.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn add(&self, unit: Arc<Unit>, instance: Arc<Instance>) -> Result<Pin<KBox<File>>> {
        let name = unit.clone();
        let subject = Subject { unit, instance };
        KBox::pin_init(
            self.0.read_callback_file(name.name(), subject, &print),
            GFP_KERNEL,
        )
    }
}

fn print(subject: &Subject, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Subject { unit, instance } = subject;
    writeln!(f, "endpoints {}", instance.endpoints())?;
    writeln!(f, "domains {}", instance.domains())?;
    let counts = unit.counts();
    writeln!(f, "context_global {}", counts.context_global)?;
    writeln!(f, "context_device {}", counts.context_device)?;
    writeln!(f, "iotlb_global {}", counts.iotlb_global)?;
    writeln!(f, "iotlb_domain {}", counts.iotlb_domain)?;
    writeln!(f, "iotlb_page {}", counts.iotlb_page)?;
    writeln!(f, "device_tlb {}", counts.device_tlb)?;
    writeln!(f, "wait {}", counts.wait)?;
    writeln!(f, "recoveries {}", counts.recoveries)?;
    writeln!(f, "lost {}", u8::from(instance.is_lost()))
}
