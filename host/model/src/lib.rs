// SPDX-License-Identifier: GPL-2.0

//! A model of a DMA remapping unit, to run drivers against.
//!
//! Read from the *Intel Virtualization Technology for Directed I/O, Architecture Specification*,
//! legacy mode, and from nothing else: it shares no constant with any driver, so that a mistake
//! would have to be made twice. What it has that an emulator has not:
//!
//! - It is asynchronous. Commands and descriptors are taken when [`Unit::step`] is called, and not
//!   before.
//! - It caches whatever the specification lets hardware cache, as long as it lets it: contexts,
//!   translations, the tables on the way ([`cache`]), and what is absent in caching mode. At random
//!   it evicts some.
//! - It reads tables as the CPU has *flushed* them, if it is not coherent, and as the write buffer
//!   was flushed, if it has one.
//! - It watches. What software must not do, and hardware could not report, is a [violation]: a
//!   panic that says what led there. Above all, no page is to be freed that the unit may still
//!   read.
//!
//! | file | what | section |
//! |---|---|---|
//! | [`config`] | what a unit can do | 11.4.2, 11.4.3 |
//! | `registers`, `command` | the registers, the commands | 11.4 |
//! | [`order`] | what must be programmed before what | 11.4, 7.3 |
//! | `queue` | the invalidation queue | 6.5.2 |
//! | [`cache`] | what is cached, and what an invalidation drops | 6.2 |
//! | [`device`] | devices with TLBs of their own | 4.1, 6.5.2.5 |
//! | `walk` | how a request is translated | 3.4, 3.7, 9 |
//! | [`fault`] | what was refused | 7 |
//!
//! [violation]: history::History::violation

#![deny(unsafe_code)]

pub mod bus;
pub mod cache;
mod command;
pub mod config;
pub mod device;
pub mod fault;
pub mod history;
pub mod order;
pub mod queue;
mod random;
mod registers;
mod unit;
mod walk;

pub use unit::{
    InFlight,
    Unit, //
};

/// The field of `value` from bit `low` up to bit `high`, both included.
fn bits(value: u64, high: u32, low: u32) -> u64 {
    value << (63 - high) >> (63 - high + low)
}

/// Whether a bit is set.
fn bit(value: u64, at: u32) -> bool {
    bits(value, at, at) != 0
}
