// SPDX-License-Identifier: GPL-2.0

//! ATS of PCI functions: which may use it, and turning it on and off.

use crate::spec;
use iommu_core::{
    ats::{
        Control,
        DeviceTlb,
        Requests, //
    },
    firmware,
    instance::Instance,
    quirks::Quirk, //
};
use iommu_ext::pci::Function;
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// ATS of one function.
struct Ats(ARef<Function>);

impl Control for Ats {
    fn enable(&self) -> Result {
        self.0.enable_ats()
    }

    fn disable(&self) {
        self.0.disable_ats();
    }

    fn is_gone(&self) -> bool {
        self.0.is_disconnected()
    }
}

/// The TLB of a function whose requester IDs are `ids`, made ready to be turned on; `None` if the
/// function, its unit or firmware has no ATS.
///
/// Nor may it be used behind a bridge that puts its own requester ID in the place of the
/// function's, behind a VMD controller, or where a quirk gives it several: invalidations would not
/// reach it, or not all. Nor by a function that does not say that it asks for whole pages, as in the
/// kernel's own driver.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn device_tlb(
    function: &Function,
    instance: &Instance,
    ids: &[u32],
    quirk: Option<Quirk>,
) -> Result<Option<DeviceTlb>> {
    let usable = instance.limits().device_tlbs
        && ids.len() == 1
        && !function.is_behind_vmd()
        && function.has_ats();
    if !usable || !spec::with_path(function, firmware::allows_ats)? {
        return Ok(None);
    }
    if !function.is_ats_page_aligned() {
        pr_info!(
            "{}: ATS is not used, as the function may ask for addresses within a page\n",
            function.name()
        );
        return Ok(None);
    }
    if function.prepare_ats().is_err() {
        pr_warn!("{}: ATS was left on, and is not used\n", function.name());
        return Ok(None);
    }
    let tlb = DeviceTlb::new(
        Arc::new(Ats(function.into()), GFP_KERNEL)?,
        function.ats_queue_depth(),
        function.physical().rid(),
    );
    Ok(Some(tlb.with_requests(match quirk {
        Some(Quirk::InvalidateTwice) => Requests::Twice,
        _ => Requests::Once,
    })))
}
