// SPDX-License-Identifier: GPL-2.0

//! A table under watch: each call is compared with the model and with what hardware sees.

use crate::{
    hardware::{
        span,
        Everything,
        Hardware,
        Leaf, //
    },
    model::Model, //
};
use iommu_core::table::{
    Descriptor,
    PageSizes,
    PageTable,
    Prot, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PhysAddr, //
    },
    gather::Gather,
    memory::Memory,
    pages::{
        Gfp,
        NumaNode, //
    }, //
};
use kernel::{
    context,
    error::{
        code::*,
        Error, //
    },
    sync::Arc, //
};
use pgtable::{
    fmt::vtd_second,
    table::Config, //
};

/// 4 KiB, 2 MiB and 1 GiB.
pub const ALL_SIZES: PageSizes = PageSizes(SIZE_4K | SIZE_2M | SIZE_1G);
pub const SIZE_4K: u64 = 1 << 12;
pub const SIZE_2M: u64 = 1 << 21;
pub const SIZE_1G: u64 = 1 << 30;

/// What may be read and written.
pub const READ_WRITE: Prot = Prot {
    read: true,
    write: true,
    snoop: false,
};

/// A configuration of `levels` levels that uses all there is.
pub fn config(levels: u8, coherent: bool) -> Config {
    Config {
        levels,
        input_bits: 12 + 9 * levels,
        output_bits: 46,
        page_sizes: ALL_SIZES,
        coherent,
        snoop_control: true,
        flush_on_map: false,
        numa: NumaNode::ANY,
    }
}

/// A table, what it should map, and what it has left to free.
pub struct Watched {
    table: Arc<dyn PageTable>,
    /// One per unmap whose invalidation has not been sent yet.
    gathers: Vec<Gather>,
    model: Model,
    pub memory: Memory,
}

impl Watched {
    /// Makes a table.
    pub fn new(config: Config) -> Self {
        let memory = Memory::new();
        let numa = memory.node();
        let table = vtd_second::new(&Config { numa, ..config }).unwrap();
        let watched = Self {
            table,
            gathers: Vec::new(),
            model: Model::default(),
            memory,
        };
        watched.check();
        watched
    }

    /// The table.
    pub fn table(&self) -> &dyn PageTable {
        &*self.table
    }

    /// What the table says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        self.table.descriptor()
    }

    /// What looks at the table.
    pub fn hardware(&self) -> Hardware<'_> {
        Hardware::new(&self.memory, self.descriptor())
    }

    /// Maps, checks, and tells what came of it.
    pub fn map(
        &mut self,
        iova: u64,
        pa: u64,
        page: u64,
        count: usize,
        prot: Prot,
    ) -> (usize, Result<(), Error>) {
        let tables = self.hardware().everything().unwrap().tables;
        let refused = self.memory.refused();
        let (mapped, result) = context::atomic(|| {
            let (iova, pa) = (Iova(iova), PhysAddr(pa));
            self.table
                .map(iova, pa, page as usize, count, prot, Gfp::ATOMIC)
        });
        let refused = self.memory.refused() - refused;

        let wanted = match self.refusal(iova, pa, page, count, prot) {
            Some(error) => (0, Err(error)),
            None => {
                let len = page * count as u64;
                match self.model.first_mapped(iova, len) {
                    Some(first) => ((first - iova) as usize, Err(EEXIST)),
                    None => (len as usize, Ok(())),
                }
            }
        };
        if refused != 0 {
            assert_eq!(result, Err(ENOMEM));
            assert!(mapped < wanted.0 || mapped == wanted.0 && wanted.1.is_err());
        } else {
            assert_eq!((mapped, result), wanted);
        }

        let end = iova.wrapping_add(mapped as u64);
        let mut at = iova;
        while at != end {
            let to = self.hardware().translate(at).expect("mapped, says map");
            assert_eq!(to.pa, pa + (at - iova));
            assert_eq!(
                (to.read, to.write, to.snoop),
                (prot.read, prot.write, prot.snoop)
            );
            assert_eq!(to.size, self.size_for(&tables, at, page), "at {at:#x}");
            assert_eq!(at % to.size, 0);
            self.model.insert(Leaf { iova: at, to });
            at = at.wrapping_add(to.size);
        }
        (mapped, result)
    }

    /// Unmaps, checks, and tells how many bytes that were. What must be invalidated and freed is
    /// kept for [`sync`](Self::sync).
    pub fn unmap(&mut self, iova: u64, len: usize) -> usize {
        let live = self.memory.live();
        let mut gather = Gather::new();
        let unmapped = context::without_memory(|| self.table.unmap(Iova(iova), len, &mut gather));

        let descriptor = self.table.descriptor();
        let inside = iova
            .checked_add((len as u64).wrapping_sub(1))
            .is_some_and(|last| last >> descriptor.input_bits == 0);
        let wanted = if len != 0 && inside {
            self.model.unmap(iova, len as u64)
        } else {
            0
        };
        assert_eq!(unmapped as u64, wanted);
        assert_eq!(
            gather.range(),
            IovaRange::with_len(Iova(iova), unmapped as u64)
        );
        assert_eq!(self.memory.live(), live, "only the gather frees");
        if unmapped != 0 {
            self.gathers.push(gather);
        }
        unmapped
    }

    /// Looks an address up and checks.
    pub fn lookup(&self, iova: u64) -> Option<u64> {
        let found = context::without_memory(|| self.table.lookup(Iova(iova)));
        let found = found.map(|pa| pa.0);
        assert_eq!(found, self.model.lookup(iova));
        if iova >> self.descriptor().input_bits == 0 {
            assert_eq!(
                found,
                self.hardware().translate(iova).ok().map(|to| to.pa),
                "hardware finds the same"
            );
        }
        found
    }

    /// Frees what the unmaps have left, as after an invalidation.
    pub fn sync(&mut self) {
        for mut gather in self.gathers.drain(..) {
            let live = self.memory.live();
            let pages = gather.pages();
            gather.free_pages();
            assert_eq!(self.memory.live(), live - pages);
        }
    }

    /// Compares all that hardware finds with all that should be there, and counts the pages.
    pub fn check(&self) -> Everything {
        let hardware = self.hardware();
        let seen = hardware.everything().unwrap();
        assert_eq!(seen.leaves, self.model.leaves());

        let by_cpu = Hardware {
            snoops: true,
            ..hardware
        };
        assert_eq!(by_cpu.everything().as_ref(), Ok(&seen));

        let waiting: usize = self.gathers.iter().map(Gather::pages).sum();
        assert_eq!(self.memory.live(), seen.tables.len() + waiting);
        seen
    }

    /// Why a request to map must be refused, whatever is mapped.
    fn refusal(&self, iova: u64, pa: u64, page: u64, count: usize, prot: Prot) -> Option<Error> {
        let table = self.descriptor();
        let fits = |first: u64, bits: u8| {
            let end = u128::from(first) + u128::from(page) * count as u128;
            end <= 1 << bits
        };
        let sizes = [SIZE_4K, SIZE_2M, SIZE_1G];
        let good = sizes.contains(&page)
            && table.page_sizes.0 & page != 0
            && count != 0
            && iova % page == 0
            && pa % page == 0
            && fits(iova, table.input_bits)
            && fits(pa, table.output_bits)
            && (prot.read || prot.write)
            && (table.snoop_control || !prot.snoop);
        (!good).then_some(EINVAL)
    }

    /// The size a leaf should have at `iova`, if pages of `page` bytes are asked for and `tables`
    /// stand there already.
    fn size_for(&self, tables: &[(u32, u64)], iova: u64, page: u64) -> u64 {
        let fits = |size: u64| {
            let in_the_way = tables
                .iter()
                .any(|(level, first)| span(level + 1) == size && iova / size == first / size);
            self.descriptor().page_sizes.0 & size != 0 && size <= page && !in_the_way
        };
        let sizes = [SIZE_1G, SIZE_2M, SIZE_4K];
        sizes.into_iter().find(|size| fits(*size)).unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
        self.sync();
    }
}
