// SPDX-License-Identifier: GPL-2.0

//! The tables that lead from a requester ID to a domain (VT-d chapter 9): a root table, indexed
//! by bus, of context tables, indexed by device and function.

pub(crate) mod context;
pub(crate) mod root;

use kernel::num::Bounded;

/// The page frame of an address, as registers, table entries and descriptors hold it.
pub(crate) fn frame(address: u64) -> Bounded<u64, 52> {
    Bounded::<u64, 64>::from(address).shr::<12, 52>()
}
