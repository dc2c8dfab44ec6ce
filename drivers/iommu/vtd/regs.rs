// SPDX-License-Identifier: GPL-2.0

//! The registers of a remapping unit (VT-d specification, chapter 11), by what they are for.
//!
//! Names of registers and fields are the specification's. What they say is decoded where they are
//! declared; nobody else shifts.

pub(crate) mod capability;
pub(crate) mod command;
pub(crate) mod fault;
pub(crate) mod invalidation;

use self::capability::Features;
use iommu_ext::{
    addr::PhysAddr,
    io_window::IoWindow, //
};
use kernel::prelude::*;

/// All registers at fixed offsets lie in the first page.
const FIXED: usize = 4096;

/// The registers of one unit, owned by us.
pub(crate) type Regs = IoWindow<FIXED>;

/// Claims and maps the registers of the unit at `base`, and reads what the unit can do.
///
/// Where the fault records and the IOTLB registers are, a register says: the window is widened, if it
/// must be, once that register can be read (11.4.2, 11.4.3). What firmware says about the size of the
/// window is not asked for.
///
/// # Errors
///
/// - `EBUSY`: another driver owns the registers, or there is memory.
/// - `ENODEV`: there is no unit at this address.
/// - `EINVAL`: the window passes the top of the address space.
/// - `ENOMEM`.
pub(crate) fn map(base: PhysAddr) -> Result<(Regs, Features)> {
    let regs = Regs::new(base, FIXED, NAME)?;
    let features = Features::read(&regs).ok_or(ENODEV)?;
    if features.registers_len <= FIXED {
        return Ok((regs, features));
    }
    drop(regs);
    let size = features.registers_len.next_multiple_of(FIXED);
    Ok((Regs::new(base, size, NAME)?, features))
}

/// What `/proc/iomem` shows.
const NAME: &CStr = c"rust_vtd";
