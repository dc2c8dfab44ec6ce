// SPDX-License-Identifier: GPL-2.0

//! What a unit can do (VT-d 11.4.1 to 11.4.3), read once into [`Features`].

use super::Regs;
use iommu_core::table::PageSizes;
use kernel::io::register;

register! {
    /// Version of the architecture that the unit follows.
    pub(crate) VER_REG(u32) @ 0x00 {
        7:4 max;
        3:0 min;
    }

    /// Capabilities.
    pub(crate) CAP_REG(u64) @ 0x08 {
        /// Setting the root table drops all that was cached.
        63:63 esrtps => bool;
        /// Drain of reads: the unit can wait for reads in flight.
        55:55 drd => bool;
        /// Drain of writes.
        54:54 dwd => bool;
        /// Largest address mask of a page-selective invalidation.
        53:48 mamv;
        /// Number of fault recording registers, less one.
        47:40 nfr => u8;
        /// Page-selective invalidation.
        39:39 psi => bool;
        /// SLLPS: the second stage has pages of 1 GiB.
        35:35 large_1g => bool;
        /// SLLPS: the second stage has pages of 2 MiB.
        34:34 large_2m => bool;
        /// Offset of the first fault recording register, in units of 16 bytes.
        33:24 fro;
        /// Width of the addresses that can be translated, less one.
        21:16 mgaw;
        /// Depths of second-stage tables: bit 1 for 3 levels, bit 2 for 4, bit 3 for 5.
        12:8 sagaw;
        /// Caching mode: entries that are not present may be cached, too.
        7:7 cm => bool;
        /// Protected high memory.
        6:6 phmr => bool;
        /// Protected low memory.
        5:5 plmr => bool;
        /// The unit keeps writes to its tables in a buffer that must be flushed.
        4:4 rwbf => bool;
        /// Number of domain IDs: 2^(4 + 2 * ND).
        2:0 nd;
    }

    /// Extended capabilities.
    pub(crate) ECAP_REG(u64) @ 0x10 {
        /// Second-stage tables in scalable mode.
        46:46 ssts => bool;
        /// Scalable mode.
        43:43 smts => bool;
        /// Device-TLB invalidations are throttled by the queue of the physical function.
        41:41 dit => bool;
        /// Offset of the IOTLB registers, in units of 16 bytes.
        17:8 iro;
        /// Snoop control: second-stage entries can force coherence.
        7:7 sc => bool;
        /// Pass-through entries.
        6:6 pt => bool;
        /// Device TLBs.
        2:2 dt => bool;
        /// Queued invalidation.
        1:1 qi => bool;
        /// The unit snoops the CPU caches when it walks tables.
        0:0 c => bool;
    }
}

/// Whether an invalidation can wait until DMA in flight is done (11.4.2, DRD and DWD).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Drain {
    /// Reads can be waited for.
    pub(crate) reads: bool,
    /// Writes can be waited for.
    pub(crate) writes: bool,
}

/// Where the fault recording registers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FaultRecords {
    /// Offset of the first one, in bytes.
    pub(crate) offset: usize,
    /// How many there are.
    pub(crate) count: usize,
}

/// What a unit can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// Version of the architecture, major and minor.
    pub(crate) version: (u8, u8),
    /// There are second-stage tables. A unit that has scalable mode says so in ECAP_REG.SSTS. That
    /// is about scalable mode, but a unit without them there is one whose tables are those of the
    /// first stage, whatever else it says; those without scalable mode have no others.
    pub(crate) second_stage: bool,
    /// Depths of second-stage tables, as in CAP_REG.SAGAW; see [`has_levels`](Self::has_levels).
    sagaw: u8,
    /// Width of the addresses that can be translated, in bits.
    pub(crate) address_bits: u8,
    /// Page sizes of the second stage.
    pub(crate) page_sizes: PageSizes,
    /// Number of domain IDs.
    pub(crate) domain_ids: u32,
    /// Entries that are not present may be cached: what becomes present must be invalidated, and
    /// domain ID 0 is the unit's own (6.1).
    pub(crate) caching_mode: bool,
    /// The write buffer must be flushed before the unit sees a change of its tables.
    pub(crate) write_buffer: bool,
    /// Largest address mask of a page-selective invalidation; `None` if there is no such thing.
    pub(crate) page_selective: Option<u8>,
    /// What an IOTLB invalidation can wait for.
    pub(crate) drain: Drain,
    /// The CPU caches are snooped on table walks.
    pub(crate) coherent: bool,
    /// There is an invalidation queue.
    pub(crate) queued_invalidation: bool,
    /// Devices may keep translations in TLBs of their own.
    pub(crate) device_tlbs: bool,
    /// Invalidations of device TLBs name the physical function, whose queue they go to.
    pub(crate) device_tlb_throttling: bool,
    /// DMA can be passed through untranslated.
    pub(crate) pass_through: bool,
    /// Second-stage entries can force coherence.
    pub(crate) snoop_control: bool,
    /// There are protected memory regions, which firmware may have left enabled.
    pub(crate) protected_memory: bool,
    /// Setting the root table drops all that was cached from the one before.
    pub(crate) root_table_flushes: bool,
    /// Offset of the IOTLB invalidate register, in bytes; `None` if invalidations go through the
    /// queue only, as from version 6 on (6.5.1).
    pub(crate) iotlb_register: Option<usize>,
    /// Where faults are recorded.
    pub(crate) fault_records: FaultRecords,
    /// Bytes from the first register to the end of the last.
    pub(crate) registers_len: usize,
}

/// Bytes of one fault recording register, and of the two IOTLB registers together.
const RECORD: usize = 16;

impl Features {
    /// Reads what the unit can do; `None` if no unit answers. Absent registers read as all zeroes
    /// or all ones, and both are no version.
    pub(super) fn read(regs: &Regs) -> Option<Self> {
        let version = regs.read(VER_REG);
        if matches!(version.into_raw(), 0 | u32::MAX) {
            return None;
        }
        Some(Self::decode(
            version,
            regs.read(CAP_REG),
            regs.read(ECAP_REG),
        ))
    }

    fn decode(version: VER_REG, cap: CAP_REG, ecap: ECAP_REG) -> Self {
        let fault_records = FaultRecords {
            offset: usize::from(u16::from(cap.fro())) * RECORD,
            count: usize::from(cap.nfr()) + 1,
        };
        let fault_records_end = fault_records.offset + fault_records.count * RECORD;
        let iotlb_end = usize::from(u16::from(ecap.iro())) * RECORD + RECORD;
        Self {
            version: (version.max().into(), version.min().into()),
            second_stage: ecap.ssts() || !ecap.smts(),
            sagaw: cap.sagaw().into(),
            address_bits: u8::from(cap.mgaw()) + 1,
            page_sizes: PageSizes(
                1 << 12 | u64::from(cap.large_2m()) << 21 | u64::from(cap.large_1g()) << 30,
            ),
            domain_ids: 1 << (4 + 2 * u8::from(cap.nd())),
            caching_mode: cap.cm(),
            write_buffer: cap.rwbf(),
            page_selective: cap.psi().then(|| cap.mamv().into()),
            drain: Drain {
                reads: cap.drd(),
                writes: cap.dwd(),
            },
            coherent: ecap.c(),
            queued_invalidation: ecap.qi(),
            // Invalidations of device TLBs go through the queue only.
            device_tlbs: ecap.dt() && ecap.qi(),
            device_tlb_throttling: ecap.dit(),
            pass_through: ecap.pt(),
            snoop_control: ecap.sc(),
            protected_memory: cap.plmr() || cap.phmr(),
            root_table_flushes: cap.esrtps(),
            iotlb_register: (u8::from(version.max()) < 6).then(|| iotlb_end - size_of::<u64>()),
            fault_records,
            registers_len: fault_records_end.max(iotlb_end),
        }
    }

    /// Whether second-stage tables of `levels` levels can be walked (3: 39 bits, 4: 48 bits,
    /// 5: 57 bits).
    pub(crate) fn has_levels(&self, levels: u8) -> bool {
        (3..=5).contains(&levels) && self.sagaw >> (levels - 2) & 1 != 0
    }
}
