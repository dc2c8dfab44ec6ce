// SPDX-License-Identifier: GPL-2.0

//! What is timed: something that is made, looked up where that exists, and ended, many at a time.

use crate::median::Times;
use iommu_ext::consumer::{
    Attachment,
    Clock,
    Lists,
    Mappings,
    PagingDomain,
    Pieces, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Something of which `count` are timed in one stretch.
pub(crate) struct Work<'bound> {
    pub(crate) kind: Kind<'bound>,
    pub(crate) count: usize,
}

pub(crate) enum Kind<'bound> {
    /// Pieces of a domain: `iommu_map()`, `iommu_iova_to_phys()`, `iommu_unmap()`.
    Pieces(Pieces<'bound>),
    /// Single mappings of the DMA API.
    Single(Mappings<'bound>),
    /// Scatterlists of the DMA API.
    Lists(Lists<'bound>),
    /// Going to a domain, and back to the DMA API's.
    Attachment(Arc<PagingDomain<'bound>>),
}

/// Medians of stretches, in nanoseconds. The look at the clock is not in them.
pub(crate) struct Measured {
    pub(crate) map: u64,
    pub(crate) lookup: Option<u64>,
    pub(crate) unmap: u64,
}

impl Work<'_> {
    /// Makes `count`.
    ///
    /// # Errors
    ///
    /// What the kernel returns, and `EBUSY` if they are there already.
    pub(crate) fn map(&mut self) -> Result<u64> {
        self.kind.map(self.count)
    }

    /// Ends them.
    ///
    /// # Errors
    ///
    /// `EIO` if they were not all there.
    pub(crate) fn unmap(&mut self) -> Result<u64> {
        self.kind.unmap(self.count)
    }

    /// Times `rounds` stretches of each.
    ///
    /// # Errors
    ///
    /// As `map` and `unmap`; `EINTR` after a signal.
    pub(crate) fn measure(&mut self, rounds: usize) -> Result<Measured> {
        let mut clock = Times::new(rounds)?;
        for _ in 0..rounds {
            clock.add(Clock::now().elapsed())?;
        }
        let clock = clock.median();
        let net = |times: &Times| times.median().saturating_sub(clock);

        let (mut map, mut unmap) = (Times::new(rounds)?, Times::new(rounds)?);
        let mut lookup = Times::new(rounds)?;
        let mut has_lookup = false;
        for _ in 0..rounds {
            if kernel::current!().signal_pending() {
                return Err(EINTR);
            }
            map.add(self.map()?)?;
            if let Kind::Pieces(pieces) = &self.kind {
                has_lookup = true;
                lookup.add(pieces.lookup(self.count)?)?;
            }
            unmap.add(self.unmap()?)?;
        }
        Ok(Measured {
            map: net(&map),
            lookup: has_lookup.then(|| net(&lookup)),
            unmap: net(&unmap),
        })
    }
}

impl Kind<'_> {
    fn map(&mut self, count: usize) -> Result<u64> {
        match self {
            Self::Pieces(pieces) => pieces.map(count),
            Self::Single(mappings) => mappings.map(count),
            Self::Lists(lists) => lists.map(count),
            Self::Attachment(domain) => {
                let begin = Clock::now();
                for _ in 0..count {
                    // Dropped at once: the device goes back.
                    Attachment::new(domain.clone())?;
                }
                Ok(begin.elapsed())
            }
        }
    }

    fn unmap(&mut self, count: usize) -> Result<u64> {
        match self {
            Self::Pieces(pieces) => pieces.unmap(count),
            Self::Single(mappings) => Ok(mappings.unmap()),
            Self::Lists(lists) => Ok(lists.unmap()),
            Self::Attachment(_) => Ok(0),
        }
    }
}
