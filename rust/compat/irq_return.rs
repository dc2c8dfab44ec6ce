// SPDX-License-Identifier: GPL-2.0

//! The C type of what an interrupt handler returns: a struct since 7.3, a number in 7.2.
//!
//! Goes with 7.2: the caller writes the line for 7.3 itself.

use kernel::{
    bindings,
    irq::IrqReturn, //
};

/// The answer of a handler, as C takes it.
#[inline]
pub fn irq_return(answer: IrqReturn) -> bindings::irqreturn_t {
    // CAST: The variants are the values of the C enum.
    #[cfg(not(kernel_7_2))]
    return bindings::irqreturn(answer as u32);
    #[cfg(kernel_7_2)]
    return answer as bindings::irqreturn_t;
}
