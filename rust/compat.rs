// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that this tree builds for.
//!
//! All of the rest of the tree is one source for all of them. Prefer what every kernel has; what
//! none of them has in common gets a file here, which says when it goes. `Kbuild` tells the
//! sources the kernel by a `cfg`: `kernel_7_2` for 7.2. Without it the kernel is 7.3 or newer.
//!
//! | file | what differs | goes |
//! |---|---|---|
//! | `barrier.rs` | how a full barrier is called | with 7.2 |
//! | `irq_return.rs` | the C type of what an interrupt handler returns | with 7.2 |
//! | `pci_driver.rs` | the table of devices and the information of `probe` | with 7.2 |
//! | `this_module.rs` | how a module names itself | with 7.2 |

#[cfg(not(CONFIG_X86))]
pub mod barrier;
pub mod irq_return;
pub mod pci_driver;
pub mod this_module;
