// SPDX-License-Identifier: GPL-2.0

//! Invalidation of what a unit has cached (VT-d 6.5.2): the requests, and the queue that takes
//! them.

pub(crate) mod counts;
pub(crate) mod descriptor;
pub(crate) mod queue;
