// SPDX-License-Identifier: GPL-2.0

//! The hardware: walks second-stage tables as the VT-d specification has it (3.7, 9.8), and reports
//! what the specification makes a fault.
//!
//! Deliberately plain, and independent of the code under test: bits are written as they stand in
//! the tables of the specification.

use iommu_core::table::Descriptor;
use iommu_ext::{
    addr::PhysAddr,
    memory::Memory, //
};
use std::ops::RangeInclusive;

/// A remapping unit, looking at one table.
pub struct Hardware<'m> {
    pub memory: &'m Memory,
    /// Second-stage page-table pointer (SSPTPTR).
    pub root: u64,
    /// Levels, as the address width (AW) of the context entry says.
    pub levels: u32,
    /// Host address width (HAW).
    pub host_bits: u32,
    /// Snoop Control (ECAP.SC).
    pub snoop_control: bool,
    /// Page-walk coherency (ECAP.C).
    pub snoops: bool,
}

/// Why a translation is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An entry allows nothing: at this level (0 is the last).
    NotPresent(u32),
    /// An entry has a reserved bit set.
    Reserved { level: u32, entry: u64 },
    /// An entry leads to memory that holds no table.
    NoTable { level: u32, entry: u64 },
}

/// Where an address leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    pub pa: u64,
    pub read: bool,
    pub write: bool,
    pub snoop: bool,
    /// Bytes that the leaf maps.
    pub size: u64,
}

/// A leaf, with the address it maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    pub iova: u64,
    pub to: Translation,
}

/// All that a walk over the whole table finds.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Everything {
    /// In order of address.
    pub leaves: Vec<Leaf>,
    /// Tables: level, and first address below them. The root is one of them.
    pub tables: Vec<(u32, u64)>,
}

/// Bytes that an entry of a table of `level` covers.
pub fn span(level: u32) -> u64 {
    0x1000 << (9 * level)
}

fn bits(range: RangeInclusive<u32>) -> u64 {
    range.map(|bit| 1 << bit).sum()
}

impl<'m> Hardware<'m> {
    /// A unit that walks `table`.
    pub fn new(memory: &'m Memory, table: &Descriptor) -> Self {
        Self {
            memory,
            root: table.root.0,
            levels: table.levels.into(),
            host_bits: table.output_bits.into(),
            snoop_control: table.snoop_control,
            snoops: table.coherent,
        }
    }

    /// Where `iova` leads.
    pub fn translate(&self, iova: u64) -> Result<Translation, Fault> {
        let mut table = self.root;
        let mut allowed = 0b11;
        for level in (0..self.levels).rev() {
            let index = iova / span(level) % 512;
            let entry = self.read(table, index).ok_or(Fault::NoTable {
                level,
                entry: table,
            })?;
            self.check(entry, level)?;
            allowed &= entry;
            if is_leaf(entry, level) {
                return Ok(Translation {
                    pa: address(entry) + iova % span(level),
                    ..translation(entry, level, allowed)
                });
            }
            table = address(entry);
        }
        unreachable!("an entry of the last level is a leaf or faults")
    }

    /// Walks the whole table.
    pub fn everything(&self) -> Result<Everything, Fault> {
        let mut found = Everything::default();
        self.collect(self.root, self.levels - 1, 0, 0b11, &mut found)?;
        Ok(found)
    }

    fn collect(
        &self,
        table: u64,
        level: u32,
        first: u64,
        allowed: u64,
        found: &mut Everything,
    ) -> Result<(), Fault> {
        found.tables.push((level, first));
        for index in 0..512 {
            let iova = first + index * span(level);
            let entry = self.read(table, index).ok_or(Fault::NoTable {
                level,
                entry: table,
            })?;
            match self.check(entry, level) {
                Ok(()) => {}
                Err(Fault::NotPresent(_)) if entry == 0 => continue,
                Err(fault) => return Err(fault),
            }
            let allowed = allowed & entry;
            if is_leaf(entry, level) {
                let to = translation(entry, level, allowed);
                found.leaves.push(Leaf { iova, to });
            } else {
                self.collect(address(entry), level - 1, iova, allowed, found)?;
            }
        }
        Ok(())
    }

    fn read(&self, table: u64, index: u64) -> Option<u64> {
        self.memory.read(PhysAddr(table + index * 8), self.snoops)
    }

    /// 9.8: what an entry must look like.
    fn check(&self, entry: u64, level: u32) -> Result<(), Fault> {
        if entry & bits(0..=1) == 0 {
            return Err(Fault::NotPresent(level));
        }
        let mut reserved = 0;
        if self.host_bits < 52 {
            reserved |= bits(self.host_bits..=51);
        }
        if level >= 3 {
            // PML4 and PML5 entries have no PS.
            reserved |= bits(7..=7);
        }
        if is_leaf(entry, level) {
            match level {
                1 => reserved |= bits(12..=20),
                2 => reserved |= bits(12..=29),
                _ => {}
            }
            if !self.snoop_control {
                reserved |= bits(11..=11);
            }
        } else {
            reserved |= bits(11..=11) | bits(62..=62);
        }
        if entry & reserved != 0 {
            return Err(Fault::Reserved { level, entry });
        }
        Ok(())
    }
}

fn is_leaf(entry: u64, level: u32) -> bool {
    level == 0 || (level <= 2 && entry & bits(7..=7) != 0)
}

fn address(entry: u64) -> u64 {
    entry & bits(12..=51)
}

fn translation(entry: u64, level: u32, allowed: u64) -> Translation {
    Translation {
        pa: address(entry),
        read: allowed & bits(0..=0) != 0,
        write: allowed & bits(1..=1) != 0,
        snoop: entry & bits(11..=11) != 0,
        size: span(level),
    }
}
