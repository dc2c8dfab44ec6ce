// SPDX-License-Identifier: GPL-2.0

//! Reserved regions: I/O virtual addresses that are not free for mappings of one's own.

use crate::{
    endpoint::Endpoint,
    firmware::{
        self,
        Path, //
    }, //
};
use iommu_ext::addr::IovaRange;

/// Why a region is reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Firmware has the device use this memory: it must be mapped 1:1 at every moment.
    Direct,
    /// The hardware takes writes there for interrupts and does not translate them.
    Msi,
}

/// A region that mappings must keep out of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// The addresses.
    pub range: IovaRange,
    /// Why they are reserved.
    pub kind: Kind,
}

/// Calls `f` with each region that is reserved for `endpoint`, which sits at `path`.
pub fn for_each(endpoint: &Endpoint, path: &Path<'_>, mut f: impl FnMut(Region)) {
    firmware::reserved_for(path, |range| {
        f(Region {
            range,
            kind: Kind::Direct,
        })
    });
    if let Some(range) = endpoint.instance().limits().msi_window {
        f(Region {
            range,
            kind: Kind::Msi,
        });
    }
}
