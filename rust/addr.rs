// SPDX-License-Identifier: GPL-2.0

//! Addresses: what a device sends ([`Iova`]) and where memory is ([`PhysAddr`]).
//!
//! The two are distinct types, so that a translation cannot be forgotten. Both count bytes.
//! A range is stored as `first..=last` ([`IovaRange`]), because a range may end at the top of the
//! 64-bit space, where an exclusive end does not exist.

/// Smallest unit an I/O page table maps, in bytes.
pub const PAGE_SIZE: usize = 4096;

/// An I/O virtual address: what a device puts on the bus. In bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct Iova(pub u64);

/// A physical address of memory or MMIO. In bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

/// A non-empty range of I/O virtual addresses, both ends inclusive.
///
/// # Invariants
///
/// `first <= last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IovaRange {
    first: Iova,
    last: Iova,
}

impl IovaRange {
    /// The range from `first` to `last`, both included; `None` if `last` lies below `first`.
    #[inline]
    pub const fn new(first: Iova, last: Iova) -> Option<Self> {
        if first.0 <= last.0 {
            // INVARIANT: Just compared.
            Some(Self { first, last })
        } else {
            None
        }
    }

    /// The `len` bytes from `first`; `None` if `len` is 0 or the range passes the top of the
    /// address space.
    #[inline]
    pub const fn with_len(first: Iova, len: u64) -> Option<Self> {
        match len.checked_sub(1) {
            None => None,
            Some(more) => match first.0.checked_add(more) {
                None => None,
                Some(last) => Self::new(first, Iova(last)),
            },
        }
    }

    /// First address of the range.
    #[inline]
    pub const fn first(&self) -> Iova {
        self.first
    }

    /// Last address of the range (inclusive).
    #[inline]
    pub const fn last(&self) -> Iova {
        self.last
    }

    /// Whether `other` shares an address with this range.
    #[inline]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.first.0 <= other.last.0 && other.first.0 <= self.last.0
    }

    /// Whether the whole of `other` lies inside this range.
    #[inline]
    pub const fn contains(&self, other: &Self) -> bool {
        self.first.0 <= other.first.0 && other.last.0 <= self.last.0
    }
}
