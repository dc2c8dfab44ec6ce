// SPDX-License-Identifier: GPL-2.0

//! Threads that map and unmap disjoint ranges of one table at the same time, without a lock.
//!
//! Each checks its own range after each call, by the eyes of hardware. What must not happen: a page
//! that is lost or freed twice, a table walked after it was freed (its words lead nowhere good), a
//! mapping that hardware does not see when `map` returns.

use iommu_core::table::PageTable;
use iommu_ext::{
    addr::{
        Iova,
        PhysAddr, //
    },
    gather::Gather,
    memory::Memory,
    pages::Gfp, //
};
use kernel::{
    error::code::*,
    sync::Arc, //
};
use pgtable::{
    fmt::vtd_second,
    table::Config, //
};
use std::sync::atomic::{
    AtomicBool,
    AtomicUsize,
    Ordering::SeqCst, //
};
use tests::{
    hardware::Hardware,
    random::Numbers,
    watched::{
        config,
        READ_WRITE,
        SIZE_1G,
        SIZE_2M,
        SIZE_4K, //
    },
};

/// More than there are cores, so that threads are also stopped in the middle of things.
const THREADS: u64 = 4;

/// One table, and the threads that use it.
struct Shared {
    table: Arc<dyn PageTable>,
    memory: Memory,
    /// How often a thread has come to [`meet`](Self::meet).
    arrivals: AtomicUsize,
    /// Whether a thread has given up.
    failed: AtomicBool,
}

/// Tells the others when its thread panics, so that they do not wait for it.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, SeqCst);
        }
    }
}

impl Shared {
    fn new(config: Config) -> Self {
        let memory = Memory::new();
        memory.flush_slowly();
        let numa = memory.node();
        let table = vtd_second::new(&Config { numa, ..config }).unwrap();
        Self {
            table,
            memory,
            arrivals: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Runs `body` in each thread, with its number.
    fn run(&self, body: impl Fn(u64) + Sync) {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let body = &body;
                let alarm = Alarm(&self.failed);
                scope.spawn(move || {
                    let _alarm = alarm;
                    body(thread)
                });
            }
        });
    }

    /// Waits until all threads are here. Spins, so that they leave at the same moment.
    fn meet(&self) {
        let threads = THREADS as usize;
        let turn = self.arrivals.fetch_add(1, SeqCst) / threads;
        while self.arrivals.load(SeqCst) / threads == turn {
            assert!(!self.failed.load(SeqCst), "another thread has failed");
            std::thread::yield_now();
        }
    }

    fn hardware(&self) -> Hardware<'_> {
        Hardware::new(&self.memory, self.table.descriptor())
    }

    /// Maps, and looks at each leaf. Returns how many bytes were mapped.
    fn map(&self, iova: u64, pa: u64, page: u64, count: usize) -> usize {
        let (mapped, result) = self.table.map(
            Iova(iova),
            PhysAddr(pa),
            page as usize,
            count,
            READ_WRITE,
            Gfp::ATOMIC,
        );
        match result {
            Ok(()) => assert_eq!(mapped, page as usize * count),
            Err(error) => assert_eq!(error, ENOMEM),
        }
        let mut offset = 0;
        while offset < mapped as u64 {
            let seen = self.hardware().translate(iova + offset).unwrap();
            assert_eq!(seen.pa, pa + offset);
            offset += seen.size;
        }
        let last = (mapped as u64).wrapping_sub(1);
        if mapped != 0 {
            let found = self.table.lookup(Iova(iova + last));
            assert_eq!(found, Some(PhysAddr(pa + last)));
        }
        mapped
    }

    /// Unmaps all of it.
    fn unmap(&self, iova: u64, len: usize) {
        let mut gather = Gather::new();
        assert_eq!(self.table.unmap(Iova(iova), len, &mut gather), len);
        if len != 0 {
            assert!(self.hardware().translate(iova).is_err());
            assert_eq!(self.table.lookup(Iova(iova)), None);
        }
        gather.free_pages();
    }

    /// At the end nothing is mapped, and the tables that are left are all there is.
    fn check(self) {
        let left = self.hardware().everything().unwrap();
        assert_eq!(left.leaves, []);
        assert_eq!(self.memory.live(), left.tables.len());
        let Self { table, memory, .. } = self;
        drop(table);
        drop(memory);
    }
}

/// All threads at once need the same tables, none of which is there.
#[test]
fn tables_wanted_by_all() {
    for coherent in [true, false] {
        let shared = Shared::new(config(5, coherent));
        shared.run(|thread| {
            for round in 0..6000 {
                // Elsewhere each time. Their pages are side by side.
                let iova = (round % 512) * (SIZE_1G * 512) + (round / 512 % 256) * SIZE_1G;
                let mine = iova + thread * SIZE_4K;
                shared.meet();
                let mapped = shared.map(mine, round << 12, SIZE_4K, 1);
                shared.unmap(mine, mapped);
                shared.meet();
                // One of them owns it all now, and clears up: what covers the tables is mapped
                // and taken out again, tables and all.
                if thread == 0 {
                    let mapped = shared.map(iova, 0, SIZE_1G, 1);
                    shared.unmap(iova, mapped);
                }
            }
        });
        shared.check();
    }
}

/// Each thread fills a table and cuts it out again, beside those of the others.
#[test]
fn tables_cut_out_beside_neighbours() {
    for coherent in [true, false] {
        let shared = Shared::new(config(4, coherent));
        shared.run(|thread| {
            for round in 0..300 {
                let mine = (thread + THREADS * (round % 7)) * SIZE_2M;
                let mapped = shared.map(mine, thread * SIZE_1G, SIZE_4K, 512);
                shared.unmap(mine, mapped);
            }
        });
        shared.check();
    }
}

/// The same a level higher, where a table that is cut out holds tables.
#[test]
fn trees_cut_out_beside_neighbours() {
    let shared = Shared::new(config(4, true));
    shared.run(|thread| {
        for round in 0..6 {
            let mine = (thread + THREADS * (round % 2)) * SIZE_1G;
            let small = 16 * SIZE_2M;
            shared.map(mine, 0, SIZE_4K, (small / SIZE_4K) as usize);
            shared.map(mine + small, small, SIZE_2M, 512 - 16);
            shared.unmap(mine, SIZE_1G as usize);
        }
    });
    shared.check();
}

/// Everybody does this and that in slices that lie side by side, and memory runs out at times.
#[test]
fn everything_at_once() {
    /// Pages of a slice.
    const SLICE: u64 = 200;

    for (seed, coherent) in [(1, true), (2, false)] {
        let shared = Shared::new(config(3, coherent));
        shared.run(|thread| {
            let mut numbers = Numbers(seed * 100 + thread);
            for _ in 0..6000 {
                let slice = numbers.take() % 64 * THREADS + thread;
                let first = numbers.take() % SLICE;
                let count = 1 + numbers.take() % (SLICE - first);
                // Slices cross tables, and tables cross slices.
                let iova = (slice * SLICE + first) * SIZE_4K;
                match numbers.take() % 64 {
                    0 => shared.memory.fail_after(3),
                    1 => shared.memory.fail_no_more(),
                    _ => {}
                }
                let mapped = shared.map(iova, slice << 32, SIZE_4K, count as usize);
                shared.unmap(iova, mapped);
            }
        });
        shared.memory.fail_no_more();
        shared.check();
    }
}
