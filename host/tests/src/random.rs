// SPDX-License-Identifier: GPL-2.0

//! Operations made of numbers: what they do is decided by a few random values, so that a property
//! test can shrink them and a seed can repeat them.

use crate::watched::{
    Watched,
    SIZE_1G,
    SIZE_2M,
    SIZE_4K, //
};
use iommu_core::table::Prot;

/// The values that decide.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub kind: u8,
    pub place: u8,
    pub offset: u16,
    pub size: u8,
    pub count: u16,
    pub extra: u8,
}

/// A sequence of numbers that a seed determines (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    /// The next one.
    pub fn take(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next operation.
    pub fn op(&mut self) -> Op {
        let [a, b, c, d, e, f, g, h] = self.take().to_le_bytes();
        Op {
            kind: a,
            place: b,
            offset: u16::from_le_bytes([c, d]),
            size: e,
            count: u16::from_le_bytes([f, g]),
            extra: h,
        }
    }
}

impl Op {
    /// Does it, and checks.
    pub fn run(self, on: &mut Watched) {
        match self.kind % 16 {
            0..=6 => self.map(on),
            7..=12 => self.unmap(on),
            13 => self.map_without_memory(on),
            14 => on.sync(),
            _ => {
                on.lookup(self.iova(on).wrapping_add(self.extra.into()));
            }
        }
    }

    fn map(self, on: &mut Watched) {
        let page = self.page();
        let output_bits = on.descriptor().output_bits;
        let pa = match self.extra % 8 {
            // The last pages there are, and one too many.
            0 => (1 << output_bits) - page * u64::from(self.count % 64),
            // Not aligned, unless pages are small.
            1 => 0x12_3456_7000,
            extra => u64::from(extra) * 0x1_4000_0000 + u64::from(self.offset) * page,
        };
        let prot = Prot {
            read: self.extra & 0x30 != 0x10,
            write: self.extra & 0x30 != 0x20,
            snoop: self.extra & 0x40 != 0,
        };
        // What comes of it is compared with the model there.
        let _ = on.map(self.iova(on), pa, page, self.pages(), prot);
    }

    fn unmap(self, on: &mut Watched) {
        let iova = self.iova(on);
        let mut len = self.page() as usize * self.pages();
        match self.extra % 8 {
            // More than is there, in most cases.
            0 => len = len.next_power_of_two(),
            // From the middle of something.
            1 => len = len.wrapping_sub(0x1000),
            // The whole of a large page, or of a few, as a caller does who does not know what
            // pages were used.
            2 | 3 => {
                let large = if self.extra & 8 == 0 {
                    SIZE_2M
                } else {
                    SIZE_1G
                };
                on.unmap(iova & !(large - 1), large as usize);
                return;
            }
            // No whole pages.
            4 => len = len.wrapping_add(0x800),
            _ => {}
        }
        on.unmap(iova, len);
    }

    fn map_without_memory(self, on: &mut Watched) {
        on.memory.fail_after((self.extra % 4).into());
        self.map(on);
        on.memory.fail_no_more();
    }

    fn page(self) -> u64 {
        match self.size % 16 {
            0..=8 => SIZE_4K,
            9..=13 => SIZE_2M,
            14 => SIZE_1G,
            // No size of a page.
            _ => SIZE_4K * 3,
        }
    }

    fn pages(self) -> usize {
        let most = match self.page() {
            SIZE_1G => 4,
            SIZE_2M => 700,
            _ => 1200,
        };
        // One page in half of all cases, as in life.
        match self.count % 2 {
            0 => 1,
            _ => usize::from(self.count / 2) % most,
        }
    }

    /// An address near one of a few where tables of several levels meet.
    fn iova(self, on: &Watched) -> u64 {
        let bits = on.descriptor().input_bits;
        let top = 1u64 << bits;
        let place = match self.place % 8 {
            0 => 0,
            1 => SIZE_2M,
            2 => SIZE_1G - SIZE_2M,
            3 => SIZE_1G,
            4 => (512 * SIZE_1G).min(top / 2) - 2 * SIZE_2M,
            5 => top / 2 - SIZE_1G,
            6 => top - SIZE_2M,
            _ => top - SIZE_1G,
        };
        let page = self.page();
        let offset = match page {
            SIZE_1G => self.offset % 2,
            SIZE_2M => self.offset % 8,
            _ => self.offset % 1024,
        };
        (place & !(page & page.wrapping_neg()).wrapping_sub(1)) + u64::from(offset) * page
    }
}
