// SPDX-License-Identifier: GPL-2.0

//! The root table: one entry per bus, each with the bus's context table (VT-d 9.1).
//!
//! Context tables are made when the first device of a bus is probed, and stay until the unit goes:
//! a context entry can then always be written without allocating.

use super::{
    context::{
        ContextEntry,
        ContextTable, //
    },
    frame, //
};
use iommu_ext::{
    addr::PhysAddr,
    pages::{
        flush_cache,
        Gfp,
        NumaNode,
        TablePage, //
    },
    vec::KVecExt, //
};
use kernel::{
    bitfield,
    new_mutex,
    prelude::*,
    sync::{
        atomic::Release,
        Mutex,
        SetOnce, //
    }, //
};

bitfield! {
    /// Low half of a root entry. The high half is reserved.
    struct Low(u64) {
        /// Page frame of the context table.
        63:12 ctp;
        /// The entry is present.
        0:0 p => bool;
    }
}

/// Buses of a segment.
const BUSES: usize = 256;

/// The root table of a unit, and its context tables.
///
/// Must outlive the unit's use of it: a unit that translates walks it.
#[pin_data]
pub(crate) struct RootTable {
    root: TablePage,
    /// Context tables by bus. What is set here is, or is about to be, in the root table.
    contexts: KVec<SetOnce<TablePage>>,
    /// Held while a context table is added.
    #[pin]
    growth: Mutex<()>,
    coherent: bool,
    numa: NumaNode,
}

impl RootTable {
    /// A table that refuses the DMA of every device. `coherent`: whether the unit snoops the CPU
    /// caches when it reads it. `numa`: the node to take memory from.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(coherent: bool, numa: NumaNode) -> Result<impl PinInit<Self>> {
        let root = TablePage::alloc(numa, Gfp::KERNEL)?;
        if !coherent {
            flush_cache(root.entries());
        }
        let mut contexts = KVec::with_capacity(BUSES, GFP_KERNEL)?;
        for _ in 0..BUSES {
            contexts.try_push(SetOnce::new(), GFP_KERNEL)?;
        }
        Ok(pin_init!(Self {
            root,
            contexts,
            growth <- new_mutex!((), "vtd::RootTable"),
            coherent,
            numa,
        }))
    }

    /// Where the table is, for RTADDR_REG.
    pub(crate) fn phys(&self) -> PhysAddr {
        self.root.phys()
    }

    /// The context table of `bus`; `None` before [`prepare`](Self::prepare). Any context.
    pub(crate) fn context(&self, bus: u8) -> Option<ContextTable<'_>> {
        let page = self.contexts.get(usize::from(bus))?.as_ref()?;
        Some(ContextTable::new(page.entries(), self.coherent))
    }

    /// Makes sure that `bus` has a context table.
    ///
    /// The unit sees it at once, except that a unit in caching mode may have cached its absence:
    /// the invalidation that follows the first context entry covers that (6.1).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn prepare(&self, bus: u8) -> Result {
        let slot = self.contexts.get(usize::from(bus)).ok_or(EINVAL)?;
        let _guard = self.growth.lock();
        if slot.as_ref().is_some() {
            return Ok(());
        }
        let page = TablePage::alloc(self.numa, Gfp::KERNEL)?;
        if !self.coherent {
            flush_cache(page.entries());
        }
        let entry = Low::zeroed().with_ctp(frame(page.phys().0)).with_p(true);
        slot.populate(page);

        let root = self
            .root
            .entries()
            .get(usize::from(bus) * 2)
            .ok_or(EINVAL)?;
        // Release: the unit finds the context table empty, not as the page was before.
        root.store(entry.into_raw(), Release);
        if !self.coherent {
            flush_cache(root);
        }
        Ok(())
    }
}

/// Tables by which the DMA of every device goes by one context entry: the root table leads to the same
/// context table for each bus.
pub(crate) struct OpenTables {
    root: TablePage,
    _contexts: TablePage,
}

impl OpenTables {
    /// Tables in which every context entry is `entry`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(entry: ContextEntry, coherent: bool, numa: NumaNode) -> Result<Self> {
        let contexts = TablePage::alloc(numa, Gfp::KERNEL)?;
        let table = ContextTable::new(contexts.entries(), coherent);
        for devfn in 0..=u8::MAX {
            table.replace(devfn, entry);
        }
        let root = TablePage::alloc(numa, Gfp::KERNEL)?;
        let low = Low::zeroed()
            .with_ctp(frame(contexts.phys().0))
            .with_p(true);
        for bus in root.entries().iter().step_by(2) {
            // Release: the unit finds the context table filled.
            bus.store(low.into_raw(), Release);
        }
        if !coherent {
            flush_cache(root.entries());
        }
        Ok(Self {
            root,
            _contexts: contexts,
        })
    }

    /// Where the root table is.
    pub(crate) fn phys(&self) -> PhysAddr {
        self.root.phys()
    }
}

/// Against 9.1, figure 9-1: P bit 0, bits 11:1 reserved, CTP bits 63:12, the high half reserved.
#[kernel::macros::kunit_tests(rust_vtd_root_entries)]
mod tests {
    use super::*;
    use kernel::sync::{
        atomic::Relaxed,
        Arc, //
    };

    fn tables(coherent: bool) -> Result<Arc<RootTable>> {
        Arc::pin_init(RootTable::new(coherent, NumaNode::ANY)?, GFP_KERNEL)
    }

    /// The root entry of `bus`.
    fn words(tables: &RootTable, bus: u8) -> Option<[u64; 2]> {
        let low = usize::from(bus) * 2;
        let [low, high] = tables.root.entries().get(low..low + 2)? else {
            return None;
        };
        Some([low.load(Relaxed), high.load(Relaxed)])
    }

    #[test]
    fn nothing_is_present_at_first() -> Result {
        for coherent in [true, false] {
            let tables = tables(coherent)?;
            for bus in 0..=u8::MAX {
                assert_eq!(words(&tables, bus), Some([0, 0]));
                assert!(tables.context(bus).is_none());
            }
            assert_eq!(tables.phys().0 & 0xfff, 0);
        }
        Ok(())
    }

    #[test]
    fn only_the_bus_that_is_prepared() -> Result {
        for coherent in [true, false] {
            let tables = tables(coherent)?;
            for bus in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                tables.prepare(bus)?;
                let page = tables.contexts.get(usize::from(bus)).ok_or(EINVAL)?;
                let phys = page.as_ref().ok_or(ENODEV)?.phys();
                assert_eq!(words(&tables, bus), Some([phys.0 + 1, 0]));
                assert!(tables.context(bus).is_some());
            }
            let present = |bus: &u8| words(&tables, *bus) != Some([0, 0]);
            assert_eq!((0..=u8::MAX).filter(present).count(), 5);
        }
        Ok(())
    }

    #[test]
    fn a_context_table_stays() -> Result {
        let tables = tables(false)?;
        tables.prepare(5)?;
        let before = words(&tables, 5);
        tables.prepare(5)?;
        assert_eq!(words(&tables, 5), before);
        Ok(())
    }
}
