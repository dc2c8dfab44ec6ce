// SPDX-License-Identifier: GPL-2.0

//! Domains, each with a list of what is mapped in it.

use crate::random::Random;
use iommu_core::{
    domain::Domain,
    endpoint::Endpoint,
    table::Prot, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PhysAddr, //
    },
    gather::Gather,
    pages::Gfp, //
};
use kernel::{
    context,
    prelude::*,
    sync::Arc, //
};

/// A range that is mapped to another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    pub(crate) iova: u64,
    pub(crate) pa: u64,
    pub(crate) len: u64,
    /// Size of the pages that it was mapped with.
    page: u64,
    prot: Prot,
}

impl Mapping {
    pub(crate) fn contains(&self, iova: u64) -> bool {
        iova.wrapping_sub(self.iova) < self.len
    }

    /// The part from `from` bytes on, up to `to`.
    fn part(&self, from: u64, to: u64) -> Option<Self> {
        (from < to).then(|| Self {
            iova: self.iova + from,
            pa: self.pa + from,
            len: to - from,
            ..*self
        })
    }
}

/// A domain, or a part of it, and what should be mapped there.
pub(crate) struct Space {
    pub(crate) domain: Arc<Domain>,
    pub(crate) mappings: Vec<Mapping>,
    /// The addresses of the part.
    first: u64,
    end: u64,
}

const PAGE: u64 = 4096;
const LARGE: u64 = 2 << 20;
const HUGE: u64 = 1 << 30;

impl Space {
    /// An empty domain, as suits the endpoint.
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let table = endpoint.instance().driver().alloc_table(endpoint).unwrap();
        let end = 1 << table.descriptor().input_bits;
        Self::part(Domain::new(table).unwrap(), 0, end)
    }

    /// The part of a domain from `first` on, up to `end`; nothing is mapped there.
    pub(crate) fn part(domain: Arc<Domain>, first: u64, end: u64) -> Self {
        Self {
            domain,
            mappings: Vec::new(),
            first,
            end,
        }
    }

    /// Where a request should lead. `None`: to a fault.
    pub(crate) fn lookup(&self, iova: u64, write: bool) -> Option<u64> {
        let mapping = self
            .mappings
            .iter()
            .find(|mapping| mapping.contains(iova))?;
        let allowed = if write {
            mapping.prot.write
        } else {
            mapping.prot.read
        };
        allowed.then(|| mapping.pa + (iova - mapping.iova))
    }

    /// An address that is mapped, or next to one that is, or anything.
    pub(crate) fn address(&self, random: &mut Random) -> u64 {
        if self.mappings.is_empty() || random.percent(10) {
            return random.below(1 << 30) << random.below(19);
        }
        let mapping = random.of(&self.mappings);
        let offset = random.below(mapping.len);
        match random.below(10) {
            0 => mapping.iova.wrapping_sub(1 + random.below(PAGE)),
            1 => mapping.iova + mapping.len + random.below(PAGE),
            _ => mapping.iova + offset,
        }
    }

    /// Maps something somewhere.
    pub(crate) fn map(&mut self, random: &mut Random) {
        let about = *self.domain.table().descriptor();
        let sizes: Vec<u64> = [PAGE, PAGE, PAGE, LARGE, HUGE]
            .into_iter()
            .filter(|size| about.page_sizes.0 & size != 0)
            .collect();
        let page = *random.of(&sizes);
        let count = match page {
            PAGE => *random.of(&[1, 1, 1, 2, 5, 16, 512]),
            _ => *random.of(&[1, 2]),
        };
        let len = page * count;
        // Close together, so that tables are shared; some across the end of a table, and some at
        // the ends of the space.
        let Self { first, end, .. } = *self;
        let middle = first + (end - first) / 2;
        let places = [
            first,
            first,
            first + HUGE,
            first + 5 * HUGE - 32 * PAGE,
            middle,
            end - HUGE,
        ];
        let place = *random.of(&places);
        let iova = (place + random.below(64) * PAGE + random.below(4) * LARGE) / page * page;
        let iova = if count == 512 {
            iova / LARGE * LARGE
        } else {
            iova
        };
        if iova + len > end
            || self
                .mappings
                .iter()
                .any(|m| m.iova < iova + len && iova < m.iova + m.len)
        {
            return;
        }
        // Far from what is special.
        let host_pages = 1u64 << (about.output_bits - 12);
        let pa = (host_pages / 2 + random.below(host_pages / 4)) * PAGE / page * page;
        let (read, write) = *random.of(&[(true, true), (true, true), (true, false), (false, true)]);
        let prot = Prot {
            read,
            write,
            snoop: false,
        };
        let table = self.domain.table();
        let map = |gfp| {
            let (iova, pa) = (Iova(iova), PhysAddr(pa));
            table.map(iova, pa, page as usize, count as usize, prot, gfp)
        };
        // As drivers do in a transfer, and others when they begin.
        let (mapped, result) = if random.percent(50) {
            context::atomic(|| map(Gfp::ATOMIC))
        } else {
            map(Gfp::KERNEL)
        };
        let len = match result {
            Ok(()) => {
                assert_eq!(mapped as u64, len);
                len
            }
            // If memory has run out, the first pages may be mapped nevertheless.
            Err(error) => {
                assert_eq!(error, ENOMEM);
                mapped as u64
            }
        };
        if len == 0 {
            return;
        }
        self.mappings.push(Mapping {
            iova,
            pa,
            len,
            page,
            prot,
        });
        if about.flush_on_map {
            let range = IovaRange::with_len(Iova(iova), len).unwrap();
            context::without_memory(|| self.domain.sync_map(range)).unwrap();
        }
    }

    /// Unmaps something, whole or in part, and returns what that was. It is not invalidated yet.
    pub(crate) fn unmap(&mut self, random: &mut Random, gather: &mut Gather) -> Option<Mapping> {
        if self.mappings.is_empty() {
            return None;
        }
        let index = random.index(&self.mappings);
        let mapping = self.mappings.swap_remove(index);
        let pages = mapping.len / mapping.page;
        let (from, to) = if random.percent(70) {
            (0, pages)
        } else {
            let from = random.below(pages);
            (from, from + 1 + random.below(pages - from))
        };
        let (from, to) = (from * mapping.page, to * mapping.page);
        let gone = mapping.part(from, to).unwrap();
        let rest = [mapping.part(0, from), mapping.part(to, mapping.len)];
        self.mappings.extend(rest.into_iter().flatten());
        let table = self.domain.table();
        let done = context::without_memory(|| {
            table.unmap(Iova(gone.iova), gone.len as usize, gather) //
        });
        assert_eq!(done as u64, gone.len);
        Some(gone)
    }
}
