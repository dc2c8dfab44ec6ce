// SPDX-License-Identifier: GPL-2.0

//! Invalidation requests, and how the queue wants them written (VT-d 6.5.2.1 to 6.5.2.8).

use crate::{
    regs::capability::Drain,
    tables::{
        context::DomainId,
        frame, //
    }, //
};
use iommu_core::driver::Caches;
use iommu_ext::addr::{
    Iova,
    IovaRange,
    PhysAddr,
    PAGE_SIZE, //
};
use kernel::{
    bitfield,
    num::Bounded, //
};
use pin_init::Zeroable;

/// What an invalidation descriptor asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Descriptor {
    /// Drop all cached context entries.
    ContextGlobal,
    /// Drop the cached context entry of one requester.
    ContextDevice {
        /// Domain ID of the entry that may be cached.
        did: DomainId,
        /// Requester ID.
        sid: u16,
    },
    /// Drop all cached translations.
    IotlbGlobal,
    /// Drop the cached translations of one domain.
    IotlbDomain(DomainId),
    /// Drop the cached translations of some pages of one domain.
    IotlbPages {
        /// The domain.
        did: DomainId,
        /// The pages.
        block: Block,
        /// Whether cached entries that point to tables go, too.
        caches: Caches,
    },
    /// Drop what a device has cached of some pages in a TLB of its own.
    DeviceTlb {
        /// Requester ID of the device.
        sid: u16,
        /// Requester ID of its physical function, if the unit goes by it; else 0.
        physical: u16,
        /// How many such requests the device can hold; 0 for 32.
        queue_depth: u8,
        /// The pages.
        block: Block,
    },
}

/// Pages that one descriptor can name: 2^`order` of them, naturally aligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    first: Iova,
    order: Bounded<u64, 6>,
}

impl Block {
    /// Every page there is.
    pub(crate) const ALL: Self = Self {
        first: Iova(0),
        order: Bounded::<u64, 6>::new::<{ 64 - PAGE_SHIFT as u64 }>(),
    };

    /// The smallest block that has the whole range in it.
    #[inline]
    pub(crate) fn around(range: IovaRange) -> Self {
        let (first, last) = (range.first().0 >> PAGE_SHIFT, range.last().0 >> PAGE_SHIFT);
        // From the highest bit on in which they differ, the addresses have nothing in common.
        let order = u64::BITS.wrapping_sub((first ^ last).leading_zeros());
        Self::new(first & u64::MAX.wrapping_shl(order), order)
    }

    /// The block that is just this range, made of whole pages; `None` if there is no such block, or
    /// it has more than 2^`max_order` pages.
    #[inline]
    pub(crate) fn of(range: IovaRange, max_order: u8) -> Option<Self> {
        let (first, last) = (range.first().0 >> PAGE_SHIFT, range.last().0 >> PAGE_SHIFT);
        let differ = first ^ last;
        // Aligned, and all bits below the order differ: a first of zeros and a last of ones.
        let is_block = first & differ == 0 && differ & differ.wrapping_add(1) == 0;
        let order = differ.trailing_ones();
        (is_block && order <= u32::from(max_order)).then(|| Self::new(first, order))
    }

    #[inline]
    fn new(first_page: u64, order: u32) -> Self {
        Self {
            first: Iova(first_page << PAGE_SHIFT),
            order: Bounded::from_expr(u64::from(order) & 0x3f),
        }
    }
}

const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();

/// Values of the type field.
enum Type {
    Context = 1,
    Iotlb = 2,
    DeviceTlb = 3,
    Wait = 5,
}

/// Values of the granularity field.
enum Granularity {
    Global = 1,
    Domain = 2,
    /// One requester of the context cache, some pages of the IOTLB.
    Selective = 3,
}

bitfield! {
    /// Low half of a context-cache invalidate descriptor (6.5.2.1).
    struct ContextLow(u64) {
        /// Function mask: 0 is one function.
        49:48 fm;
        /// Requester ID.
        47:32 sid => u16;
        /// Domain ID.
        31:16 did => u16;
        /// Granularity.
        5:4 g;
        3:0 kind;
    }
}

bitfield! {
    /// Low half of an IOTLB invalidate descriptor (6.5.2.3).
    struct IotlbLow(u64) {
        /// Domain ID.
        31:16 did => u16;
        /// Wait for reads in flight.
        7:7 dr => bool;
        /// Wait for writes in flight.
        6:6 dw => bool;
        /// Granularity.
        5:4 g;
        3:0 kind;
    }
}

bitfield! {
    /// High half of an IOTLB invalidate descriptor.
    struct IotlbHigh(u64) {
        /// Page of the address.
        63:12 addr;
        /// Hint: entries that point to tables did not change.
        6:6 ih => bool;
        /// Address mask: 2^AM pages.
        5:0 am;
    }
}

bitfield! {
    /// Low half of a device-TLB invalidate descriptor (6.5.2.5).
    struct DeviceTlbLow(u64) {
        /// Requester ID of the physical function, bits 15:4.
        63:52 pfsid_high;
        /// Requester ID.
        47:32 sid => u16;
        /// How many invalidations the device can hold.
        20:16 mip;
        /// Requester ID of the physical function, bits 3:0.
        15:12 pfsid_low;
        3:0 kind;
    }
}

bitfield! {
    /// High half of a device-TLB invalidate descriptor.
    struct DeviceTlbHigh(u64) {
        /// Page of the address; with `s` its lowest bit that is clear says how many pages: up to
        /// that one they are the block's offsets.
        63:12 addr;
        /// More than one page.
        0:0 s => bool;
    }
}

bitfield! {
    /// Low half of an invalidation wait descriptor (6.5.2.8).
    struct WaitLow(u64) {
        /// What is written when all descriptors before this one are complete.
        63:32 data => u32;
        /// Write it.
        5:5 sw => bool;
        3:0 kind;
    }
}

bitfield! {
    /// Low half of any descriptor.
    struct AnyLow(u64) {
        3:0 kind;
    }
}

/// The drain bits of a unit's IOTLB descriptors. Made once, and not for each
/// of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DrainBits(u64);

impl From<Drain> for DrainBits {
    fn from(drain: Drain) -> Self {
        let low = IotlbLow::zeroed()
            .with_dr(drain.reads)
            .with_dw(drain.writes);
        Self(low.into_raw())
    }
}

impl Descriptor {
    /// The device whose TLB is to drop something, if that is what is requested.
    pub(super) fn device(self) -> Option<u16> {
        match self {
            Self::DeviceTlb { sid, .. } => Some(sid),
            _ => None,
        }
    }

    /// The words of the descriptor, for a unit whose IOTLB invalidations can wait for what `drain`
    /// says. Pages are freed after an invalidation, so they always wait.
    #[inline]
    pub(crate) fn encode(self, drain: DrainBits) -> [u64; 2] {
        const GLOBAL: u64 = Granularity::Global as u64;
        const DOMAIN: u64 = Granularity::Domain as u64;
        const SELECTIVE: u64 = Granularity::Selective as u64;

        let context = ContextLow::zeroed().with_const_kind::<{ Type::Context as u64 }>();
        let iotlb = IotlbLow::from_raw(drain.0).with_const_kind::<{ Type::Iotlb as u64 }>();
        match self {
            Self::ContextGlobal => [context.with_const_g::<GLOBAL>().into_raw(), 0],
            Self::ContextDevice { did, sid } => {
                let low = context
                    .with_const_g::<SELECTIVE>()
                    .with_did(did.value())
                    .with_sid(sid);
                [low.into_raw(), 0]
            }
            Self::IotlbGlobal => [iotlb.with_const_g::<GLOBAL>().into_raw(), 0],
            Self::IotlbDomain(did) => {
                let low = iotlb.with_const_g::<DOMAIN>().with_did(did.value());
                [low.into_raw(), 0]
            }
            Self::IotlbPages { did, block, caches } => {
                let low = iotlb.with_const_g::<SELECTIVE>().with_did(did.value());
                let high = IotlbHigh::zeroed()
                    .with_addr(frame(block.first.0))
                    .with_ih(caches == Caches::Leaves)
                    .with_am(block.order);
                [low.into_raw(), high.into_raw()]
            }
            Self::DeviceTlb {
                sid,
                physical,
                queue_depth,
                block,
            } => {
                let low = DeviceTlbLow::zeroed()
                    .with_const_kind::<{ Type::DeviceTlb as u64 }>()
                    .with_sid(sid)
                    .with_mip(Bounded::from_expr(u64::from(queue_depth) & 0x1f))
                    .with_pfsid_low(Bounded::from_expr(u64::from(physical) & 0xf))
                    .with_pfsid_high(Bounded::from_expr(u64::from(physical) >> 4 & 0xfff));
                [low.into_raw(), DeviceTlbHigh::of_block(block).into_raw()]
            }
        }
    }
}

impl DeviceTlbHigh {
    fn of_block(block: Block) -> Self {
        // A block of 2^n pages: n - 1 bits that are set, and then one that is clear.
        let order = u32::from(u8::from(block.order));
        let bytes = 1u64.wrapping_shl(order.saturating_sub(1).wrapping_add(PAGE_SHIFT));
        Self::zeroed()
            .with_addr(frame(block.first.0 | bytes.wrapping_sub(1)))
            .with_s(order > 0)
    }
}

/// The words of a descriptor that has the unit write `data` to `status` when all descriptors
/// before it are complete.
#[inline]
pub(crate) fn wait(data: u32, status: PhysAddr) -> [u64; 2] {
    let low = WaitLow::zeroed()
        .with_const_kind::<{ Type::Wait as u64 }>()
        .with_sw(true)
        .with_data(data);
    [low.into_raw(), status.0]
}

/// What the unit will write for `words`, if they are a [`wait`] that writes to `status`.
pub(crate) fn wait_data([low, high]: [u64; 2], status: PhysAddr) -> Option<u32> {
    let low = WaitLow::from_raw(low);
    (low.kind() == Type::Wait as u64 && high == status.0).then(|| low.data())
}

/// The device whose TLB is to drop something by `words`, if that is what they ask for.
pub(crate) fn device_of([low, _]: [u64; 2]) -> Option<u16> {
    let low = DeviceTlbLow::from_raw(low);
    (low.kind() == Type::DeviceTlb as u64).then(|| low.sid())
}

/// The words that ask the same device to drop everything, if `words` ask one to drop something.
pub(crate) fn all_of_device(words: [u64; 2]) -> Option<[u64; 2]> {
    device_of(words)?;
    // All address bits but the topmost, in a block of more than one page (PCIe 10.3.1).
    let [low, _] = words;
    Some([low, DeviceTlbHigh::of_block(Block::ALL).into_raw()])
}

/// The descriptor to put in the place of one that the unit refuses: the widest of its kind, which
/// has no operand that could be in error. `None` if there is none, or if it was refused itself.
pub(crate) fn widest_like(words: [u64; 2], drain: DrainBits) -> Option<Descriptor> {
    let kind = AnyLow::from_raw(words[0]).kind();
    [Descriptor::ContextGlobal, Descriptor::IotlbGlobal]
        .into_iter()
        .find(|widest| AnyLow::from_raw(widest.encode(drain)[0]).kind() == kind)
        .filter(|widest| widest.encode(drain) != words)
}

/// What drops the cached translations of `range` in domain `did`: page-selective while
/// [`MAX_BLOCKS`] descriptors cover the range, else the whole domain.
///
/// Only an address mask of its size drops a large page (6.5.2.3). A range that can hold a page for
/// which the unit takes no such mask therefore takes the whole domain.
///
/// `max_order`: the largest address mask that the unit takes ([`Features::page_selective`]).
///
/// [`Features::page_selective`]: crate::regs::capability::Features::page_selective
#[inline]
pub(crate) fn cover(
    did: DomainId,
    range: IovaRange,
    caches: Caches,
    max_order: Option<u8>,
) -> impl Iterator<Item = Descriptor> + Clone {
    let blocks = max_order
        .filter(|max_order| *max_order >= order_of_largest_page_in(range))
        .map(|max_order| Blocks::new(range, max_order))
        .filter(Blocks::are_few);
    let mut whole = blocks.is_none().then_some(Descriptor::IotlbDomain(did));
    let mut blocks = blocks.unwrap_or(Blocks::NONE);
    core::iter::from_fn(move || match blocks.next() {
        Some(block) => Some(Descriptor::IotlbPages { did, block, caches }),
        None => whole.take(),
    })
}

/// The address mask of the largest page (4 KiB, 2 MiB or 1 GiB) that fits into `range` whole. An
/// unmap clears no page in part, so that the leaves it has cleared are no larger.
#[inline]
fn order_of_largest_page_in(range: IovaRange) -> u8 {
    const LARGE: [u8; 2] = [18, 9];

    let first = range.first().0 >> PAGE_SHIFT;
    // Page numbers have 52 bits, so that nothing here wraps.
    let end = (range.last().0 >> PAGE_SHIFT).wrapping_add(1);
    let fits = |order: &u8| {
        let pages = 1u64.wrapping_shl(u32::from(*order));
        let aligned = first.wrapping_add(pages.wrapping_sub(1)) & pages.wrapping_neg();
        aligned.wrapping_add(pages) <= end
    };
    LARGE.into_iter().find(fits).unwrap_or(0)
}

/// Page-selective descriptors that may take the place of one domain-selective descriptor. Past
/// that, refilling the IOTLB is thought to be cheaper than the descriptors.
pub(crate) const MAX_BLOCKS: usize = 16;

/// Cuts a range into the largest blocks that it holds, in ascending order.
#[derive(Clone)]
struct Blocks {
    /// Page numbers of what is left, both included; `None` at the end.
    left: Option<(u64, u64)>,
    max_order: u8,
}

impl Blocks {
    const NONE: Self = Self {
        left: None,
        max_order: 0,
    };

    #[inline]
    fn new(range: IovaRange, max_order: u8) -> Self {
        Self {
            left: Some((range.first().0 >> PAGE_SHIFT, range.last().0 >> PAGE_SHIFT)),
            max_order,
        }
    }

    /// Whether there are at most [`MAX_BLOCKS`].
    #[inline]
    fn are_few(&self) -> bool {
        // No block is smaller than a page.
        match self.left {
            Some((first, last)) if last.wrapping_sub(first) < MAX_BLOCKS as u64 => true,
            _ => self.clone().nth(MAX_BLOCKS).is_none(),
        }
    }
}

impl Iterator for Blocks {
    type Item = Block;

    #[inline]
    fn next(&mut self) -> Option<Block> {
        let (first, last) = self.left?;
        // Page numbers have 52 bits, so that nothing here wraps.
        let pages = last.wrapping_sub(first).wrapping_add(1);
        let order = first
            .trailing_zeros()
            .min(pages.checked_ilog2()?)
            .min(u32::from(self.max_order));
        let next = first.wrapping_add(1u64.wrapping_shl(order));
        self.left = (next <= last).then_some((next, last));
        Some(Block::new(first, order))
    }
}

/// Against words put together by hand from the figures of 6.5.2.1 to 6.5.2.8.
#[kernel::macros::kunit_tests(rust_vtd_descriptors)]
mod tests {
    use super::*;
    use iommu_core::instance::Tag;
    use kernel::prelude::*;

    const PLAIN: DrainBits = DrainBits(0);

    /// The domain ID of all tests.
    fn did() -> Result<DomainId> {
        DomainId::of(Tag(0xabcd)).ok_or(EINVAL)
    }

    fn range(first: u64, last: u64) -> Result<IovaRange> {
        IovaRange::new(Iova(first), Iova(last)).ok_or(EINVAL)
    }

    #[test]
    fn context_cache() -> Result {
        let device = Descriptor::ContextDevice {
            did: did()?,
            sid: 0x1234,
        };
        assert_eq!(Descriptor::ContextGlobal.encode(PLAIN), [0x11, 0]);
        assert_eq!(device.encode(PLAIN), [0x1234_abcd_0031, 0]);
        Ok(())
    }

    #[test]
    fn iotlb() -> Result {
        let pages = |caches| -> Result<Descriptor> {
            Ok(Descriptor::IotlbPages {
                did: did()?,
                block: Block::around(range(0x1234_5000, 0x1234_6fff)?),
                caches,
            })
        };
        let all = DrainBits::from(Drain {
            reads: true,
            writes: true,
        });
        assert_eq!(Descriptor::IotlbGlobal.encode(PLAIN), [0x12, 0]);
        assert_eq!(Descriptor::IotlbGlobal.encode(all), [0xd2, 0]);
        assert_eq!(
            Descriptor::IotlbDomain(did()?).encode(PLAIN),
            [0xabcd_0022, 0]
        );
        // Two pages that are no aligned pair: the aligned four around them.
        assert_eq!(
            pages(Caches::Leaves)?.encode(PLAIN),
            [0xabcd_0032, 0x1234_4042]
        );
        assert_eq!(
            pages(Caches::LeavesAndTables)?.encode(PLAIN),
            [0xabcd_0032, 0x1234_4002]
        );
        Ok(())
    }

    #[test]
    fn device_tlb() -> Result {
        let request = |first, last| -> Result<[u64; 2]> {
            let request = Descriptor::DeviceTlb {
                sid: 0x1234,
                physical: 0x5678,
                queue_depth: 3,
                block: Block::around(range(first, last)?),
            };
            Ok(request.encode(PLAIN))
        };
        assert_eq!(
            request(0x7000, 0x7fff)?,
            [0x5670_1234_0003_8003, 0x7000 & !0xfff]
        );
        // Four pages: one address bit set, the next one clear, S set.
        assert_eq!(request(0x8000, 0xbfff)?[1], 0x9001);
        Ok(())
    }

    #[test]
    fn waits() {
        let words = wait(0x89ab_cdef, PhysAddr(0x7_0000));
        assert_eq!(words, [0x89ab_cdef_0000_0025, 0x7_0000]);
        assert_eq!(wait_data(words, PhysAddr(0x7_0000)), Some(0x89ab_cdef));
        assert_eq!(wait_data(words, PhysAddr(0x8_0000)), None);
    }

    /// Whether [`cover`] asks for these address masks; `None` stands for the whole domain.
    fn covers_by(first: u64, last: u64, max_order: u8, masks: &[Option<u64>]) -> Result<bool> {
        let range = range(first, last)?;
        let mask = |request| match request {
            Descriptor::IotlbPages { block, .. } => Some(block.order.get()),
            _ => None,
        };
        let requests = cover(did()?, range, Caches::Leaves, Some(max_order));
        Ok(requests.map(mask).eq(masks.iter().copied()))
    }

    /// 6.5.2.3: a mask of at least 9 for a page of 2 MiB, and of 18 for one of 1 GiB.
    #[test]
    fn a_large_page_is_named_by_one_mask() -> Result {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;

        for max_order in [5, 8] {
            assert!(covers_by(2 * MIB, 4 * MIB - 1, max_order, &[None])?);
        }
        assert!(covers_by(2 * MIB, 4 * MIB - 1, 9, &[Some(9)])?);
        // As large as a large page, but none fits in.
        assert!(covers_by(MIB, 3 * MIB - 1, 8, &[Some(8), Some(8)])?);
        // One fits in somewhere in the middle.
        assert!(covers_by(MIB, 5 * MIB - 1, 8, &[None])?);
        let masks = [Some(8), Some(9), Some(8)];
        assert!(covers_by(MIB, 5 * MIB - 1, 9, &masks)?);
        for max_order in [14, 17] {
            assert!(covers_by(GIB, 2 * GIB - 1, max_order, &[None])?);
        }
        assert!(covers_by(GIB, 2 * GIB - 1, 18, &[Some(18)])?);
        assert!(covers_by(GIB / 2, GIB - 1, 17, &[Some(17)])?);
        Ok(())
    }

    #[test]
    fn widest_in_the_place_of_a_refused_one() -> Result {
        let words = Descriptor::IotlbDomain(did()?).encode(PLAIN);
        assert_eq!(widest_like(words, PLAIN), Some(Descriptor::IotlbGlobal));
        let widest = Descriptor::IotlbGlobal.encode(PLAIN);
        assert_eq!(widest_like(widest, PLAIN), None);
        Ok(())
    }
}
