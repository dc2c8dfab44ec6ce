// SPDX-License-Identifier: GPL-2.0

//! Interrupts.

/// What a handler says of its interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IrqReturn {
    /// It was not from this device.
    None,
    /// It was handled.
    Handled,
}
