// SPDX-License-Identifier: GPL-2.0

//! What a unit can do (VT-d 11.4.2 and 11.4.3).

/// What a unit can do, and how it behaves where it has a choice.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// C: the CPU caches are snooped on table walks.
    pub coherent: bool,
    /// CM: what is absent may be cached, too.
    pub caching_mode: bool,
    /// RWBF: writes to the tables stay in a buffer until that is flushed.
    pub write_buffer: bool,
    /// DT: devices may have TLBs of their own.
    pub device_tlbs: bool,
    /// DIT: requests to device TLBs name the physical function, too.
    pub device_tlb_throttling: bool,
    /// PT: requests can be passed through.
    pub pass_through: bool,
    /// QI: there is an invalidation queue.
    pub queue: bool,
    /// SC: second-stage entries can force snooping.
    pub snoop_control: bool,
    /// SMTS and SSTS: `None` for a unit without scalable mode; with it, whether there are tables of
    /// the second stage.
    pub scalable: Option<bool>,
    /// PLMR and PHMR: there are protected memory regions.
    pub protected_memory: bool,
    /// DWD and DRD: an invalidation can wait for requests in flight.
    pub drain: bool,
    /// SAGAW: bit 1 for tables of 3 levels, bit 2 for 4, bit 3 for 5.
    pub sagaw: u8,
    /// SLLPS: bit 0 for pages of 2 MiB, bit 1 for 1 GiB.
    pub large_pages: u8,
    /// MGAW: width of the addresses that are translated.
    pub address_bits: u8,
    /// Width of physical addresses.
    pub host_bits: u8,
    /// Width of domain IDs: 4, 6, ... 16.
    pub domain_bits: u8,
    /// PSI and MAMV: the largest address mask of a page-selective invalidation.
    pub page_selective: Option<u8>,
    /// The version is below 6: there are registers that invalidate while the queue is off.
    pub invalidates_by_registers: bool,
    /// ESRTPS: setting the root table drops all that is cached.
    pub root_table_flushes: bool,
    /// Translation does not turn off, as on some units of integrated graphics.
    pub keeps_translating: bool,
    /// NFR: fault recording registers.
    pub fault_records: usize,
    /// At every opportunity, a cached entry is evicted once in so many times; 0 for never.
    pub evict_one_in: usize,
    /// Decides what happens by chance.
    pub seed: u64,
}

/// Offset of the fault recording registers.
pub(crate) const FAULT_RECORDS: usize = 0x200;
/// Offset of the IOTLB registers.
pub(crate) const IOTLB: usize = 0x1f0;

impl Default for Config {
    fn default() -> Self {
        Self {
            coherent: true,
            caching_mode: false,
            write_buffer: false,
            device_tlbs: false,
            device_tlb_throttling: false,
            pass_through: true,
            queue: true,
            snoop_control: false,
            scalable: None,
            protected_memory: false,
            drain: true,
            sagaw: 0b0110,
            large_pages: 0b11,
            address_bits: 48,
            host_bits: 46,
            domain_bits: 8,
            page_selective: Some(9),
            invalidates_by_registers: true,
            root_table_flushes: false,
            keeps_translating: false,
            fault_records: 1,
            evict_one_in: 0,
            seed: 1,
        }
    }
}

impl Config {
    /// CAP_REG.
    pub(crate) fn capabilities(&self) -> u64 {
        u64::from((self.domain_bits - 4) / 2)
            | u64::from(self.write_buffer) << 4
            | u64::from(self.protected_memory) << 5
            | u64::from(self.protected_memory) << 6
            | u64::from(self.caching_mode) << 7
            | u64::from(self.sagaw) << 8
            | u64::from(self.address_bits - 1) << 16
            | (FAULT_RECORDS as u64 / 16) << 24
            | u64::from(self.large_pages) << 34
            | u64::from(self.page_selective.is_some()) << 39
            | (self.fault_records as u64 - 1) << 40
            | u64::from(self.page_selective.unwrap_or(0)) << 48
            | u64::from(self.drain) << 54
            | u64::from(self.drain) << 55
            | u64::from(self.root_table_flushes) << 63
    }

    /// ECAP_REG.
    pub(crate) fn extended_capabilities(&self) -> u64 {
        u64::from(self.coherent)
            | u64::from(self.queue) << 1
            | u64::from(self.device_tlbs) << 2
            | u64::from(self.device_tlb_throttling) << 41
            | u64::from(self.pass_through) << 6
            | u64::from(self.snoop_control) << 7
            | u64::from(self.scalable.is_some()) << 43
            | u64::from(self.scalable == Some(true)) << 46
            | u64::from(self.scalable == Some(false)) << 47
            | (IOTLB as u64 / 16) << 8
    }

    /// Whether tables are read as the CPU sees them.
    pub(crate) fn sees_at_once(&self) -> bool {
        self.coherent && !self.write_buffer
    }

    /// Whether tables of this many levels can be walked.
    pub(crate) fn walks(&self, levels: u8) -> bool {
        (3..=5).contains(&levels) && self.sagaw & (1 << (levels - 2)) != 0
    }

    /// The deepest tables that can be walked.
    pub(crate) fn deepest(&self) -> u8 {
        (3..=5)
            .rev()
            .find(|levels| self.walks(*levels))
            .unwrap_or(0)
    }
}
