// SPDX-License-Identifier: GPL-2.0

//! Several CPUs that map and unmap in one domain at the same time, each in a range of its own.
//!
//! Each of them calls [`Race::run`]. They wait for each other, so that all run at the same time,
//! and the last one to be done leaves the sum.

use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PAGE_SIZE, //
    },
    consumer::{
        Clock,
        PagingDomain,
        Pieces,
        Region, //
    }, //
};
use kernel::{
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// Where the first range is. The others follow: each in a last-level table of its own.
const BASE: u64 = 0x4000_0000;
/// From one range to the next, in bytes: what a last-level table covers.
const STEP: u64 = 1 << 21;
/// Pages of a range. They are mapped one by one, then unmapped one by one.
const PAGES: usize = 32;
/// The most CPUs.
pub(crate) const MAX_CPUS: u64 = 16;
/// How long the first one waits for the last one, in nanoseconds.
const PATIENCE: u64 = 5_000_000_000;

/// A race. Begun anew with [`reset`](Self::reset).
pub(crate) struct Race {
    arrived: Atomic<u64>,
    /// Pages that were mapped and unmapped, in all.
    pages: Atomic<u64>,
    /// How long that took, added up over the CPUs, in nanoseconds.
    nanoseconds: Atomic<u64>,
}

impl Race {
    /// A race that nobody has run.
    pub(crate) fn new() -> Self {
        Self {
            arrived: Atomic::new(0),
            pages: Atomic::new(0),
            nanoseconds: Atomic::new(0),
        }
    }

    /// Forgets what was run. Not while somebody runs.
    pub(crate) fn reset(&self) {
        self.arrived.store(0, Relaxed);
        self.pages.store(0, Relaxed);
        self.nanoseconds.store(0, Relaxed);
    }

    /// Pages mapped and unmapped since the last [`reset`](Self::reset), and the nanoseconds that
    /// the CPUs took, added up.
    pub(crate) fn result(&self) -> (u64, u64) {
        (self.pages.load(Relaxed), self.nanoseconds.load(Relaxed))
    }

    /// Maps and unmaps for `time` nanoseconds, once `cpus` CPUs are here.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a CPU too many, `ETIMEDOUT` if the others do not come, and what mapping
    /// returns.
    pub(crate) fn run(&self, domain: &Arc<PagingDomain<'_>>, cpus: u64, time: u64) -> Result {
        let index = self.arrived.fetch_add(1, Relaxed);
        if index >= cpus.min(MAX_CPUS) {
            return Err(EINVAL);
        }
        let len = PAGES.wrapping_mul(PAGE_SIZE) as u64;
        let first = BASE.wrapping_add(STEP.wrapping_mul(index));
        let range = IovaRange::with_len(Iova(first), len).ok_or(EINVAL)?;
        let mut pieces = Pieces::new(Region::new(domain.clone(), range)?, PAGE_SIZE)?;
        // The tables are there before the race.
        pieces.map(PAGES)?;
        pieces.unmap(PAGES)?;

        let waiting = Clock::now();
        while self.arrived.load(Relaxed) < cpus {
            if waiting.elapsed() > PATIENCE {
                return Err(ETIMEDOUT);
            }
            cpu_relax();
        }
        let begin = Clock::now();
        let mut pages = 0_u64;
        let took = loop {
            pieces.map(PAGES)?;
            pieces.unmap(PAGES)?;
            pages = pages.wrapping_add(PAGES as u64);
            let took = begin.elapsed();
            if took > time {
                break took;
            }
        };
        self.pages.add(pages, Relaxed);
        self.nanoseconds.add(took, Relaxed);
        Ok(())
    }
}
