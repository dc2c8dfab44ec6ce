// SPDX-License-Identifier: GPL-2.0

//! PCI functions, as an IOMMU sees them: where they sit, which requester IDs they use, whether
//! they are isolated, and whether a driver is bound.
//!
//! The `kernel` crate has PCI functions only for their own drivers; an IOMMU deals with all of
//! them, bound or not.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

mod acs;
mod alias;
mod arrivals;
mod ats;
mod bind;
mod bus_master;
mod enabled;
mod function;
mod held;
mod kept_acs;

pub use self::arrivals::Arrivals;
pub use self::bind::bound_functions;
pub use self::enabled::Enabled;
pub use self::function::{
    all,
    Function, //
};
pub use self::held::Held;
pub use self::kept_acs::KeptAcs;
