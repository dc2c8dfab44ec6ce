// SPDX-License-Identifier: GPL-2.0

//! What a unit caches, and what an invalidation drops (VT-d 6.2).
//!
//! An invalidation drops no more than the specification demands. Nothing is ever dropped for
//! consistency: a stale entry stays until it is invalidated, or evicted by chance.

use crate::{
    fault::Reason,
    queue::{
        Contexts,
        Translations, //
    },
    random::Random, //
};

/// Entries in each cache.
const CAPACITY: usize = 192;

/// What a context entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Context {
    /// Pass requests through.
    PassThrough,
    /// Walk the table of so many levels at this address.
    Table {
        /// Address of the top table.
        root: u64,
        /// How many levels.
        levels: u8,
        /// TT is 01: the device may ask for translations, and is believed.
        device_tlb: bool,
    },
    /// Refuse requests.
    Refuse(Reason),
}

/// A context entry, cached by requester and tagged by domain ID (6.2.2). What is absent or in error
/// is cached in caching mode only, under domain ID 0 (6.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachedContext {
    pub(crate) sid: u16,
    pub(crate) did: u16,
    pub(crate) context: Context,
    /// FPD: faults of this requester are not recorded.
    pub(crate) silent: bool,
}

/// Where an address leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaf {
    /// To memory.
    Memory {
        /// Physical address of the first byte.
        to: u64,
        /// Reads are allowed.
        read: bool,
        /// Writes are allowed.
        write: bool,
    },
    /// Nowhere: there is no leaf.
    Absent,
    /// An entry on the way is in error.
    Error(Reason),
}

/// A translation (6.2.4), for `len` bytes, a power of two. What is not a leaf in memory is cached
/// in caching mode only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachedLeaf {
    pub(crate) did: u16,
    pub(crate) first: u64,
    pub(crate) len: u64,
    pub(crate) leaf: Leaf,
}

/// A table on the way (6.2.5): the one of `level` (0 is walked last) that translates `len` bytes
/// from `first` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachedTable {
    pub(crate) did: u16,
    pub(crate) level: u8,
    pub(crate) first: u64,
    pub(crate) len: u64,
    pub(crate) table: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// The caches.
#[derive(Default, Debug)]
pub(crate) struct Caches {
    contexts: Vec<CachedContext>,
    leaves: Vec<CachedLeaf>,
    tables: Vec<CachedTable>,
}

fn insert<T>(cache: &mut Vec<T>, entry: T, random: &mut Random) {
    if cache.len() < CAPACITY {
        cache.push(entry);
    } else {
        let victim = random.below(CAPACITY);
        cache[victim] = entry;
    }
}

fn covers(first: u64, len: u64, address: u64) -> bool {
    address.wrapping_sub(first) < len
}

fn overlaps(first: u64, len: u64, from: u64, to: u64) -> bool {
    first <= to && from <= first + (len - 1)
}

impl Caches {
    pub(crate) fn context(&self, sid: u16) -> Option<CachedContext> {
        self.contexts.iter().find(|entry| entry.sid == sid).copied()
    }

    pub(crate) fn leaf(&self, did: u16, address: u64) -> Option<CachedLeaf> {
        let hits =
            |entry: &&CachedLeaf| entry.did == did && covers(entry.first, entry.len, address);
        self.leaves.iter().find(hits).copied()
    }

    /// One of the tables that may be used for `address`, or none: where to begin is the unit's
    /// choice.
    pub(crate) fn table(&self, did: u16, address: u64, random: &mut Random) -> Option<CachedTable> {
        let hits =
            |entry: &&CachedTable| entry.did == did && covers(entry.first, entry.len, address);
        let count = self.tables.iter().filter(hits).count();
        if random.one_in(4) || count == 0 {
            return None;
        }
        let chosen = random.below(count);
        self.tables.iter().filter(hits).nth(chosen).copied()
    }

    pub(crate) fn add_context(&mut self, entry: CachedContext, random: &mut Random) {
        insert(&mut self.contexts, entry, random);
    }

    pub(crate) fn add_leaf(&mut self, entry: CachedLeaf, random: &mut Random) {
        insert(&mut self.leaves, entry, random);
    }

    pub(crate) fn add_table(&mut self, entry: CachedTable, random: &mut Random) {
        let is_known = self.tables.iter().any(|other| {
            (other.did, other.level, other.first, other.table)
                == (entry.did, entry.level, entry.first, entry.table)
        });
        if !is_known {
            insert(&mut self.tables, entry, random);
        }
    }

    /// Forgets an entry by chance.
    pub(crate) fn evict(&mut self, random: &mut Random) {
        fn one<T>(cache: &mut Vec<T>, random: &mut Random) {
            if !cache.is_empty() {
                cache.swap_remove(random.below(cache.len()));
            }
        }
        match random.below(3) {
            0 => one(&mut self.contexts, random),
            1 => one(&mut self.leaves, random),
            _ => one(&mut self.tables, random),
        }
    }

    /// Context-cache invalidation (6.5.2.1).
    pub(crate) fn invalidate_contexts(&mut self, what: Contexts) {
        self.contexts.retain(|entry| match what {
            Contexts::All => false,
            Contexts::Domain(did) => entry.did != did,
            Contexts::Device { did, sid, mask } => {
                entry.did != did || entry.sid & !mask != sid & !mask
            }
        });
    }

    /// IOTLB invalidation (6.5.2.3). A large leaf goes only with an address mask of its size: the
    /// specification asks for 9 for 2 MiB and for 18 for 1 GiB. What is absent goes with any page
    /// of it. Tables go along, unless the hint says that they did not change.
    pub(crate) fn invalidate_translations(&mut self, what: Translations) {
        let is_meant = |did: u16, hits: &dyn Fn(u64, u64) -> bool| match what {
            Translations::All => true,
            Translations::Domain(meant) => did == meant,
            Translations::Pages {
                did: meant,
                first,
                last,
                ..
            } => did == meant && hits(first, last),
        };
        let hint = matches!(what, Translations::Pages { hint: true, .. });
        self.leaves.retain(|entry| {
            let CachedLeaf { first, len, .. } = *entry;
            !is_meant(entry.did, &|from, to| match entry.leaf {
                Leaf::Memory { .. } => from <= first && first + (len - 1) <= to,
                Leaf::Absent | Leaf::Error(_) => overlaps(first, len, from, to),
            })
        });
        self.tables.retain(|entry| {
            hint || !is_meant(entry.did, &|from, to| {
                overlaps(entry.first, entry.len, from, to)
            })
        });
    }

    /// What in the caches leads to the page at `page`.
    pub(crate) fn leads_to(&self, page: u64) -> Option<String> {
        let to_page =
            |context: &Context| matches!(context, Context::Table { root, .. } if *root == page);
        let context = self.contexts.iter().find(|entry| to_page(&entry.context));
        let table = self.tables.iter().find(|entry| entry.table == page);
        context
            .map(|entry| format!("{entry:x?}"))
            .or_else(|| table.map(|entry| format!("{entry:x?}")))
    }
}
