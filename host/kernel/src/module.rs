// SPDX-License-Identifier: GPL-2.0

//! Modules, of which the host has none.

/// A module.
pub struct ThisModule;
