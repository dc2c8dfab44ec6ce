// SPDX-License-Identifier: GPL-2.0

//! Quirks: devices that need something else than their kind does.
//!
//! Which devices those are only the hardware driver knows ([`Driver::quirks`]); what can be done
//! about them is listed here, in words that any driver and any front end can use. A front end
//! describes the PCI function to the driver, applies what comes back, and says so in the log.
//!
//! [`Driver::quirks`]: crate::driver::Driver::quirks

/// Where a function sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On a root bus: part of the processor or the chipset.
    RootBus,
    /// Below a bridge.
    BelowABridge,
    /// Anywhere, but where firmware says that what is plugged in is not to be trusted. No quirk may
    /// give such a function more than another has: it can say that it is whatever it likes.
    Untrusted,
}

/// A PCI function, as quirks look at it.
#[derive(Clone, Copy)]
pub struct Function<'a> {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Base class (bits 15:8) and subclass (bits 7:0).
    pub class: u16,
    /// Where it sits.
    pub place: Place,
    /// Device and function number.
    pub devfn: u8,
    /// Reads four aligned bytes of config space, of a function (`devfn`) of the same bus, at an
    /// offset in bytes; `None` if that does not answer.
    pub config: &'a dyn Fn(u8, u16) -> Option<u32>,
}

impl Function<'_> {
    /// Whether it is a display controller, of whatever subclass.
    pub fn is_display(&self) -> bool {
        self.class >> 8 == 0x03
    }
}

/// What must be done about a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quirk {
    /// Its DMA passes untranslated by default, if its instance can do that.
    Identity,
    /// It is not behind the instance that firmware names: it is left alone.
    NotHere,
    /// The device must be idle before what it has unmapped is flushed: no flush is deferred.
    Strict,
    /// Its TLB may say that an invalidation is done before it is: each is sent twice.
    InvalidateTwice,
}

/// A [`Quirk`], and why it is applied, for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Applied {
    /// What is to be done.
    pub quirk: Quirk,
    /// Why, in words that follow the device's name and a colon.
    pub why: &'static str,
}
