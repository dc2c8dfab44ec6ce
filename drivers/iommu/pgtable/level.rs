// SPDX-License-Identifier: GPL-2.0

//! The levels of a table, and the arithmetic on addresses that goes with them.

use iommu_ext::{
    addr::{
        Iova,
        PAGE_SIZE, //
    },
    pages::ENTRIES, //
};
use kernel::prelude::*;

/// Bits of an address that choose the entry in one table.
const INDEX_BITS: u32 = ENTRIES.ilog2();

static_assert!(ENTRIES.is_power_of_two());
static_assert!(ENTRIES * size_of::<u64>() == PAGE_SIZE);

/// One level of a table, known by the span of its entries.
///
/// Shifts are `wrapping_` because an overflow check in the middle of a walk would be a panic
/// path; no level that [`Level::top`] leads to needs it.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    span_lg2: u32,
}

impl Level {
    /// Level 0: walked last, its entries are leaves of one page.
    pub(crate) const LAST: Self = Self {
        span_lg2: PAGE_SIZE.ilog2(),
    };

    /// The level of the root of a table of `levels` levels.
    #[inline]
    pub(crate) const fn top(levels: u8) -> Self {
        Self {
            span_lg2: Self::input_bits(levels).saturating_sub(INDEX_BITS),
        }
    }

    /// Bits of address that `levels` levels translate.
    #[inline]
    pub(crate) const fn input_bits(levels: u8) -> u32 {
        // CAST: Widens.
        INDEX_BITS
            .saturating_mul(levels as u32)
            .saturating_add(Self::LAST.span_lg2)
    }

    /// Whether this is level 0.
    #[inline]
    pub(crate) const fn is_last(self) -> bool {
        self.span_lg2 == Self::LAST.span_lg2
    }

    /// The level walked next. Not to be asked of level 0, whose entries lead to no table.
    #[inline]
    pub(crate) const fn below(self) -> Self {
        Self {
            span_lg2: self.span_lg2.wrapping_sub(INDEX_BITS),
        }
    }

    /// Bytes below one entry.
    #[inline]
    pub(crate) const fn span(self) -> u64 {
        1u64.wrapping_shl(self.span_lg2)
    }

    /// Where in the span of its entry `iova` lies.
    #[inline]
    pub(crate) const fn offset(self, iova: Iova) -> u64 {
        iova.0 & self.span().wrapping_sub(1)
    }

    /// Which entry of a table of this level leads to `iova`. Always less than [`ENTRIES`].
    #[inline]
    pub(crate) const fn index(self, iova: Iova) -> usize {
        // CAST: 64-bit kernels only; and what is cut off would be masked away.
        iova.0.wrapping_shr(self.span_lg2) as usize & (ENTRIES - 1)
    }

    /// The largest span that could begin at `iova` and lie in the `len` bytes from there, as a power
    /// of two: see [`is_at_most`](Self::is_at_most). `None` for no byte.
    #[inline]
    pub(crate) fn largest_lg2(iova: Iova, len: usize) -> Option<u32> {
        Some(len.checked_ilog2()?.min(iova.0.trailing_zeros()))
    }

    /// Whether the span of an entry is at most 2^`span_lg2` bytes.
    #[inline]
    pub(crate) const fn is_at_most(self, span_lg2: u32) -> bool {
        self.span_lg2 <= span_lg2
    }

    /// How many whole spans `len` bytes make.
    #[inline]
    pub(crate) const fn spans_in(self, len: usize) -> usize {
        len.wrapping_shr(self.span_lg2)
    }

    /// How many bytes `spans` spans have. `spans` counts entries of one table.
    #[inline]
    pub(crate) const fn len_of(self, spans: usize) -> usize {
        spans.wrapping_shl(self.span_lg2)
    }
}
