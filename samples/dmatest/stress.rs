// SPDX-License-Identifier: GPL-2.0

//! Mapping, translating and unmapping in one domain from several CPUs at once.
//!
//! Each caller takes a slice of the domain that nobody else has, in two places: pages that share a
//! last-level table with the neighbours' pages, and a range of one last-level table of its own,
//! which comes and goes beside the neighbours' in one table above. So tables are installed, filled
//! and freed next to entries in use by others.

use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PhysAddr,
        PAGE_SIZE, //
    },
    consumer::{
        PagingDomain,
        Prot,
        Region, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What a last-level table of 4 KiB pages covers, in bytes.
const TABLE_SPAN: u64 = 1 << 21;

/// Where the pages that share a table are.
const PAGES_BASE: u64 = 0x4000_0000;
/// How many pages each caller has there.
const PAGES: u64 = 16;
/// Where each caller has the range of a whole table.
const TABLES_BASE: u64 = 0x8000_0000;
/// One round in so many is one of whole tables.
const TABLE_ROUND: u64 = 8;
/// How many callers there can be: their pages fill one table.
const SLICES: u64 = TABLE_SPAN / PAGE / PAGES;

// CAST: A small constant.
const PAGE: u64 = PAGE_SIZE as u64;

/// What a run did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Which slice it had.
    pub(crate) slice: u64,
    /// How many translations were as they should be.
    pub(crate) verified: u64,
}

/// A slice of a domain, for one caller.
struct Slice<'bound> {
    domain: Arc<PagingDomain<'bound>>,
    pages: Region<'bound>,
    table: Region<'bound>,
    tally: Tally,
}

/// Maps, translates and unmaps for `rounds` rounds on a slice of `domain`.
///
/// # Errors
///
/// `EBUSY` if all slices are taken, `EINTR` after a signal, `EIO` if a translation or the size of
/// an unmap is not as it should be, and what mapping returns.
pub(crate) fn run(domain: &Arc<PagingDomain<'_>>, rounds: u64) -> Result<Tally> {
    let mut slice = Slice::take(domain)?;
    for round in 0..rounds {
        if kernel::current!().signal_pending() {
            return Err(EINTR);
        }
        slice.pages_round(round)?;
        if round % TABLE_ROUND == 0 {
            slice.leaf_round()?;
            slice.table_round()?;
        }
    }
    Ok(slice.tally)
}

impl<'bound> Slice<'bound> {
    /// Takes the first slice that nobody has.
    fn take(domain: &Arc<PagingDomain<'bound>>) -> Result<Self> {
        for index in 0..SLICES {
            let pages = range(PAGES_BASE, index, PAGES * PAGE)?;
            let table = range(TABLES_BASE, index, TABLE_SPAN)?;
            let pages = match Region::new(domain.clone(), pages) {
                Err(EBUSY) => continue,
                other => other?,
            };
            return Ok(Self {
                domain: domain.clone(),
                pages,
                table: Region::new(domain.clone(), table)?,
                tally: Tally {
                    slice: index,
                    verified: 0,
                },
            });
        }
        Err(EBUSY)
    }

    /// Single pages, mapped one by one to other memory each round, unmapped in two halves.
    fn pages_round(&mut self, round: u64) -> Result {
        let range = self.pages.range();
        let memory = |page: u64| (page ^ round) % PAGES * PAGE;
        for page in 0..PAGES {
            self.pages.map(
                part(range, page * PAGE, PAGE)?,
                memory(page) as usize,
                Prot::ReadWrite,
            )?;
        }
        for page in 0..PAGES {
            self.leads(&self.pages, page * PAGE, Some(memory(page)))?;
        }
        self.tally.verified = self.tally.verified.wrapping_add(PAGES);
        let half = PAGES / 2 * PAGE;
        for first in [0, half] {
            unmap_all(&mut self.pages, part(range, first, half)?)?;
            self.leads(&self.pages, first, None)?;
        }
        Ok(())
    }

    /// A whole table's range in one piece: a leaf one level up, where the format has it.
    fn leaf_round(&mut self) -> Result {
        let range = self.table.range();
        self.table.map(range, 0, Prot::ReadWrite)?;
        self.leads(&self.table, 0, Some(0))?;
        self.leads(&self.table, TABLE_SPAN - PAGE, Some(TABLE_SPAN - PAGE))?;
        self.tally.verified = self.tally.verified.wrapping_add(2);
        unmap_all(&mut self.table, range)?;
        self.leads(&self.table, 0, None)
    }

    /// The same range with its halves swapped, which takes a table; unmapping all frees it.
    fn table_round(&mut self) -> Result {
        let range = self.table.range();
        let half = TABLE_SPAN / 2;
        for (first, memory) in [(0, half), (half, 0)] {
            self.table
                .map(part(range, first, half)?, memory as usize, Prot::ReadWrite)?;
            self.leads(&self.table, first, Some(memory))?;
        }
        self.tally.verified = self.tally.verified.wrapping_add(2);
        unmap_all(&mut self.table, range)?;
        self.leads(&self.table, half, None)
    }

    /// Checks that `offset` in `region` leads to that offset of the buffer, or nowhere.
    fn leads(&self, region: &Region<'_>, offset: u64, memory: Option<u64>) -> Result {
        let buffer = self.domain.buffer().phys().0;
        let expected = memory.map(|memory| PhysAddr(buffer.wrapping_add(memory)));
        let iova = Iova(region.range().first().0.wrapping_add(offset));
        if region.lookup(iova)? == expected {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

/// Unmaps a part that is mapped throughout.
fn unmap_all(region: &mut Region<'_>, part: IovaRange) -> Result {
    let expected = part.last().0.wrapping_sub(part.first().0).wrapping_add(1);
    if region.unmap(part)? as u64 == expected {
        Ok(())
    } else {
        Err(EIO)
    }
}

/// The range of slice `index`, where each has `len` bytes.
fn range(base: u64, index: u64, len: u64) -> Result<IovaRange> {
    let first = index
        .checked_mul(len)
        .and_then(|offset| base.checked_add(offset))
        .ok_or(EINVAL)?;
    IovaRange::with_len(Iova(first), len).ok_or(EINVAL)
}

/// `len` bytes from `offset` in a range.
fn part(range: IovaRange, offset: u64, len: u64) -> Result<IovaRange> {
    let first = range.first().0.checked_add(offset).ok_or(EINVAL)?;
    IovaRange::with_len(Iova(first), len).ok_or(EINVAL)
}
