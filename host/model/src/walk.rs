// SPDX-License-Identifier: GPL-2.0

//! How a request is translated (VT-d 3.4, 3.7): root entry, context entry, second-stage tables.

use crate::{
    bit,
    bits,
    bus::Found,
    cache::{
        CachedContext,
        CachedLeaf,
        CachedTable,
        Context,
        Leaf, //
    },
    fault::Reason,
    unit::State, //
};

/// Addresses that lead to the CPUs' interrupt controllers (3.14).
const INTERRUPTS: std::ops::RangeInclusive<u64> = 0xfee0_0000..=0xfeef_ffff;

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination {
    pub(crate) did: u16,
    pub(crate) to: u64,
}

/// A walk under way: the table to be read next.
struct Walk {
    level: u8,
    table: u64,
    read: bool,
    write: bool,
}

impl Walk {
    /// Bytes below one entry.
    fn span(&self) -> u64 {
        1 << (12 + 9 * self.level)
    }
}

impl State {
    /// Translates a request. The error comes with whether the fault is not to be recorded.
    pub(crate) fn translate(
        &mut self,
        sid: u16,
        address: u64,
        write: bool,
    ) -> Result<Destination, (Reason, bool)> {
        let entry = self.context(sid);
        let refuse = |reason| (reason, entry.silent);
        let did = entry.did;
        match entry.context {
            Context::Refuse(reason) => Err(refuse(reason)),
            Context::PassThrough => {
                if self.is_too_wide(address, self.config.host_bits) {
                    return Err(refuse(Reason::AddressWidth));
                }
                Ok(Destination { did, to: address })
            }
            Context::Table { root, levels, .. } => {
                if self.is_beyond_table(address, levels) {
                    return Err(refuse(Reason::AddressWidth));
                }
                let found = self.leaf(did, root, levels, address);
                let mut result = outcome(&found, address, write);
                // A unit may look again before it refuses what it has a translation for.
                let has_leaf = matches!(found.leaf, Leaf::Memory { .. });
                if result.is_err() && has_leaf && self.random.one_in(2) {
                    let found = self.walk_to(did, root, levels, address);
                    result = outcome(&found, address, write);
                }
                let to = result.map_err(refuse)?;
                if INTERRUPTS.contains(&to) {
                    return Err(refuse(Reason::Interrupts));
                }
                Ok(Destination { did, to })
            }
        }
    }

    /// Whether the unit, or a table of so many levels, does not translate an address.
    pub(crate) fn is_beyond_table(&self, address: u64, levels: u8) -> bool {
        self.is_too_wide(address, self.config.address_bits.min(12 + 9 * levels))
    }

    fn is_too_wide(&self, address: u64, bits: u8) -> bool {
        address >> bits != 0
    }

    /// Whether an entry's address has bits that memory has not.
    fn is_beyond_memory(&self, entry: u64) -> bool {
        bits(entry, 51, 12) << 12 >> self.config.host_bits != 0
    }

    /// The context of a requester, cached or read.
    pub(crate) fn context(&mut self, sid: u16) -> CachedContext {
        if let Some(entry) = self.caches.context(sid) {
            return entry;
        }
        let mut silent = false;
        let (did, context) = match self.read_context(sid, &mut silent) {
            Ok(found) => found,
            Err(reason) => (0, Context::Refuse(reason)),
        };
        let entry = CachedContext {
            sid,
            did,
            context,
            silent,
        };
        if self.config.caching_mode || !matches!(context, Context::Refuse(_)) {
            self.caches.add_context(entry, &mut self.random);
        }
        entry
    }

    /// Reads the root entry (9.1) and the context entry (9.3).
    fn read_context(&mut self, sid: u16, silent: &mut bool) -> Result<(u16, Context), Reason> {
        let root = self.root_table.unwrap_or(0) >> 12 << 12;
        let at = root + 16 * u64::from(sid >> 8);
        let [low, high] = self.read_pair(at, Reason::RootAccess)?;
        if !bit(low, 0) {
            return Err(Reason::RootAbsent);
        }
        let reserved = bits(low, 11, 1) | bits(low, 63, 52) | high;
        if reserved != 0 || self.is_beyond_memory(low) {
            return Err(Reason::RootReserved);
        }

        let at = (bits(low, 63, 12) << 12) + 16 * u64::from(sid & 0xff);
        let [low, high] = self.read_pair(at, Reason::ContextAccess)?;
        *silent = bit(low, 1);
        if !bit(low, 0) {
            return Err(Reason::ContextAbsent);
        }
        let did = bits(high, 23, 8);
        let reserved = bits(low, 11, 4)
            | bits(low, 63, 52)
            | bits(high, 7, 7)
            | bits(high, 63, 24)
            | did >> self.config.domain_bits;
        if reserved != 0 || self.is_beyond_memory(low) {
            return Err(Reason::ContextReserved);
        }
        if did == 0 && self.config.caching_mode {
            self.history
                .violation("domain ID 0 in a context entry, in caching mode (6.1)");
        }
        let did = did as u16;
        let levels = bits(high, 2, 0) as u8 + 2;
        match bits(low, 3, 2) {
            tt @ (0 | 1) if self.config.walks(levels) && (tt == 0 || self.config.device_tlbs) => {
                let root = bits(low, 51, 12) << 12;
                self.contexts_read.insert((root, did));
                let context = Context::Table {
                    root,
                    levels,
                    device_tlb: tt == 1,
                };
                Ok((did, context))
            }
            // The width must be the widest that the unit has.
            2 if self.config.pass_through && levels == self.config.deepest() => {
                Ok((did, Context::PassThrough))
            }
            _ => Err(Reason::ContextInvalid),
        }
    }

    fn read_pair(&mut self, at: u64, error: Reason) -> Result<[u64; 2], Reason> {
        match self.bus.read_pair(at, self.config.sees_at_once()) {
            Found::Value(words) => Ok(words),
            Found::Freed => {
                self.history
                    .violation("a walk reaches a page that was freed");
                Err(error)
            }
            Found::Nothing => Err(error),
        }
    }

    /// Where an address leads, cached or walked to.
    pub(crate) fn leaf(&mut self, did: u16, root: u64, levels: u8, address: u64) -> CachedLeaf {
        match self.caches.leaf(did, address) {
            Some(entry) => entry,
            None => self.walk_to(did, root, levels, address),
        }
    }

    /// Where an address leads. The walk may begin at a table that is cached.
    fn walk_to(&mut self, did: u16, root: u64, levels: u8, address: u64) -> CachedLeaf {
        let begin = self.caches.table(did, address, &mut self.random);
        let walk = match begin {
            Some(CachedTable {
                level,
                table,
                read,
                write,
                ..
            }) => Walk {
                level,
                table,
                read,
                write,
            },
            None => Walk {
                level: levels - 1,
                table: root,
                read: true,
                write: true,
            },
        };
        let entry = self.walk(did, walk, address);
        if self.config.caching_mode || matches!(entry.leaf, Leaf::Memory { .. }) {
            self.caches.add_leaf(entry, &mut self.random);
        }
        entry
    }

    /// Walks the second-stage tables (9.8) from `walk` on.
    fn walk(&mut self, did: u16, mut walk: Walk, address: u64) -> CachedLeaf {
        loop {
            let span = walk.span();
            let first = address / span * span;
            let found = |leaf| CachedLeaf {
                did,
                first,
                len: span,
                leaf,
            };
            let at = walk.table + 8 * (address / span % 512);
            let entry = match self.bus.read(at, self.config.sees_at_once()) {
                Found::Value(entry) => entry,
                Found::Freed => {
                    let level = walk.level;
                    let what =
                        format!("a walk reaches a page that was freed: level {level}, {at:#x}");
                    self.history.violation(&what);
                    return found(Leaf::Error(Reason::TableAccess));
                }
                Found::Nothing => return found(Leaf::Error(Reason::TableAccess)),
            };
            if bits(entry, 1, 0) == 0 {
                return found(Leaf::Absent);
            }
            let is_leaf = walk.level == 0 || bit(entry, 7);
            if self.has_reserved(entry, walk.level, is_leaf) {
                return found(Leaf::Error(Reason::EntryReserved));
            }
            walk.read &= bit(entry, 0);
            walk.write &= bit(entry, 1);
            let to = bits(entry, 51, 12) << 12;
            if is_leaf {
                let (read, write) = (walk.read, walk.write);
                return found(Leaf::Memory { to, read, write });
            }
            walk.level -= 1;
            walk.table = to;
            let table = CachedTable {
                did,
                level: walk.level,
                first,
                len: span,
                table: to,
                read: walk.read,
                write: walk.write,
            };
            self.caches.add_table(table, &mut self.random);
        }
    }

    /// Whether a present entry has a bit set that is reserved on this unit.
    fn has_reserved(&self, entry: u64, level: u8, is_leaf: bool) -> bool {
        let large = match level {
            // Bit 7 of the last level is ignored.
            0 => false,
            1 => is_leaf && (self.config.large_pages & 1 == 0 || bits(entry, 20, 12) != 0),
            2 => is_leaf && (self.config.large_pages & 2 == 0 || bits(entry, 29, 12) != 0),
            _ => is_leaf,
        };
        let snoop = is_leaf && bit(entry, 11) && !self.config.snoop_control;
        large || snoop || bit(entry, 62) || self.is_beyond_memory(entry)
    }
}

/// What becomes of a request that meets a translation.
fn outcome(entry: &CachedLeaf, address: u64, is_write: bool) -> Result<u64, Reason> {
    let denied = if is_write {
        Reason::Write
    } else {
        Reason::Read
    };
    match entry.leaf {
        Leaf::Memory { to, read, write } if (is_write && write) || (!is_write && read) => {
            Ok(to + (address - entry.first))
        }
        Leaf::Memory { .. } | Leaf::Absent => Err(denied),
        Leaf::Error(reason) => Err(reason),
    }
}
