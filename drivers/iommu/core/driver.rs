// SPDX-License-Identifier: GPL-2.0

//! What a hardware driver does for the core: write one route's entry, send one invalidation.
//!
//! A driver keeps no list of devices and knows no domain. Whatever may fail comes first and
//! changes nothing ([`Driver::probe`], [`Driver::prepare`]); the write itself
//! ([`Driver::set_route`]) cannot fail. That is how a failed attach leaves the old domain in
//! place, and how a detach always succeeds.

use crate::{
    ats::DeviceTlbs,
    endpoint::Endpoint,
    instance::Tag,
    quirks::{
        self,
        Applied, //
    },
    route::{
        Entry,
        Route, //
    },
    table::{
        Descriptor,
        PageTable, //
    }, //
};
use iommu_ext::addr::IovaRange;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What an instance can do, fixed when it is registered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// First tag the core may give to a domain.
    pub first_tag: u32,
    /// Last tag the core may give to a domain.
    pub last_tag: u32,
    /// The tag under which untranslated DMA is cached; `None` if a route cannot pass DMA
    /// untranslated.
    pub identity: Option<Tag>,
    /// Whether devices behind this instance snoop the CPU caches on DMA.
    pub cache_coherent: bool,
    /// Whether tables of this instance can force accesses to snoop the CPU caches
    /// ([`Descriptor::snoop_control`]).
    pub snoop_control: bool,
    /// Whether devices may keep translations in TLBs of their own.
    pub device_tlbs: bool,
    /// Whether an invalidation must follow each new mapping and each new route
    /// ([`Descriptor::flush_on_map`]).
    pub flush_on_map: bool,
    /// Addresses that the instance takes for interrupts rather than for memory.
    pub msi_window: Option<IovaRange>,
}

/// Whether cached entries that point to tables must go, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caches {
    /// Only leaves changed.
    Leaves,
    /// Tables were cut out.
    LeavesAndTables,
}

/// What an invalidation must cover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything cached under the tag.
    Tag,
    /// What is cached for a range.
    Range(IovaRange, Caches),
}

/// The hardware side of an instance.
///
/// The methods that write hardware state are called with the endpoint's group locked, so for one
/// endpoint never twice at a time, but for several endpoints of an instance concurrently.
pub trait Driver: Send + Sync {
    /// What is to be done about a PCI function behind the instance that is not done about every
    /// one; `None` for most.
    fn quirks(&self, function: &quirks::Function<'_>) -> Option<Applied> {
        let _ = function;
        None
    }

    /// Makes ready to write entries for an endpoint: checks its IDs, allocates what
    /// [`set_route`](Self::set_route) will write to for [`Route::Rid`].
    ///
    /// # Errors
    ///
    /// - `EINVAL`: an ID is out of this instance's reach.
    /// - `ENOMEM`: no memory for the tables.
    fn probe(&self, endpoint: &Endpoint) -> Result;

    /// Makes a page table of the format that suits the endpoint best.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory for the top table.
    fn alloc_table(&self, endpoint: &Endpoint) -> Result<Arc<dyn PageTable>>;

    /// Checks that the route can be pointed at the table, and allocates what that takes.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: this instance cannot walk the table, or has no such routes.
    /// - `ENOMEM`: no memory for the entry.
    fn prepare(&self, endpoint: &Endpoint, route: Route, table: &Descriptor) -> Result;

    /// Writes the entry of a route for the requester IDs `ids`, all of them the endpoint's, and
    /// drops what hardware has cached *of the entry*. Cached translations are the core's
    /// business. At every moment hardware sees the old entry, no entry, or the new one.
    fn set_route(&self, ids: &[u32], route: Route, entry: Entry<'_>);

    /// Drops translations cached under `tag`, and after that those in `device_tlbs`, and waits
    /// until the hardware and the devices have done so and DMA that used them has drained. Called
    /// in any context.
    ///
    /// # Errors
    ///
    /// `EIO` or `ETIMEDOUT`: the hardware does not answer, for good: every later call fails, too. The
    /// caller must then assume that it still uses what it had cached, and keep that memory allocated
    /// for good. A device that does not answer is no error: it is given up
    /// ([`Target::give_up`](crate::ats::Target::give_up)).
    fn invalidate(&self, tag: Tag, scope: &Scope, device_tlbs: DeviceTlbs<'_>) -> Result;

    /// Whether invalidations fail from now on. The driver has logged why. Any context.
    fn has_failed(&self) -> bool;

    /// Makes the hardware refuse all DMA of the devices behind it, after it has failed. Returns
    /// whether the hardware has shown that it does so, with nothing of the old state in use any more.
    /// Called once, with interrupts off; takes no more than a moment.
    fn cut_off(&self) -> bool;
}
