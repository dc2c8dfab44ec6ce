// SPDX-License-Identifier: GPL-2.0

//! What is true of tables of every format, as a KUnit suite.
//!
//! The checks are generic over the format. A format has them run with one line, [`suite`], at the
//! end of its file.

use crate::{
    entry::{
        Item,
        Node, //
    },
    format::{
        Entry,
        Format,
        EMPTY, //
    },
    level::Level,
    table::{
        Config,
        Table, //
    }, //
};
use iommu_core::table::{
    PageSizes,
    PageTable,
    Prot, //
};
use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PhysAddr, //
    },
    gather::Gather,
    pages::{
        Gfp,
        NumaNode,
        ENTRIES, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The suite `$suite`: all checks, of tables of `$format`.
macro_rules! suite {
    ($suite:ident, $format:ty) => {
        $crate::conformance::suite!(
            $suite, $format:
            a_run_over_several_tables
            a_large_page_over_an_empty_table
            a_part_of_a_leaf_stays
            edges_of_the_input_width
            edges_of_the_output_width
            mapped_already
            pages_of_every_size
            permissions
            requests_that_are_refused
            tables_are_freed
            tables_that_the_format_does_not_have
            the_table_goes_with_all_that_is_in_it
            unmap_stops_at_a_hole
            written_back
        );
    };
    ($suite:ident, $format:ty: $($check:ident)*) => {
        #[kernel::macros::kunit_tests($suite)]
        mod conformance {
            use super::*;

            $(
                #[test]
                fn $check() -> Result {
                    $crate::conformance::$check::<$format>()
                }
            )*
        }
    };
}
pub(crate) use suite;

/// `assert!`, for what is not written inside of a suite.
macro_rules! check {
    ($condition:expr) => {
        kernel::kunit_assert!(
            "conformance",
            c"drivers/iommu/pgtable/conformance.rs",
            0,
            $condition
        )
    };
}

/// The smallest page.
const SMALL: u64 = Level::LAST.span();

const READ: Prot = Prot {
    read: true,
    write: false,
    snoop: false,
};
const WRITE: Prot = Prot {
    read: false,
    write: true,
    snoop: false,
};
const READ_WRITE: Prot = Prot {
    write: true,
    ..READ
};

/// A configuration that uses all that tables of `levels` levels have.
fn config<F: Format>(levels: u8, coherent: bool) -> Config {
    Config {
        levels,
        // CAST: 64 at most.
        input_bits: Level::input_bits(levels).min(64) as u8,
        output_bits: F::MAX_OUTPUT_BITS,
        page_sizes: PageSizes(F::PAGE_SIZES),
        coherent,
        snoop_control: false,
        flush_on_map: false,
        numa: NumaNode::ANY,
    }
}

/// Calls `f` with an empty table of each depth, for hardware that snoops and that does not.
fn for_each_table<F: Format>(f: impl Fn(&Table<F>) -> Result) -> Result {
    for levels in F::MIN_LEVELS..=F::MAX_LEVELS {
        for coherent in [true, false] {
            f(&Table::new(&config::<F>(levels, coherent))?)?;
        }
    }
    Ok(())
}

/// The sizes of pages that a table has, small ones first.
fn sizes<F: Format>(table: &Table<F>) -> impl Iterator<Item = u64> {
    let top = Level::top(table.descriptor().levels).span();
    let sizes = (0..u64::BITS).map(|lg2| 1u64 << lg2);
    sizes.filter(move |size| F::PAGE_SIZES & size != 0 && *size <= top)
}

/// Greatest number of `bits` bits.
fn last_of(bits: u8) -> u64 {
    u64::MAX >> (64 - u32::from(bits))
}

/// Maps `count` pages that may be read and written.
fn map<F: Format>(
    table: &Table<F>,
    iova: u64,
    pa: u64,
    page: u64,
    count: usize,
) -> (usize, Result) {
    let (iova, pa) = (Iova(iova), PhysAddr(pa));
    table.map(iova, pa, page as usize, count, READ_WRITE, Gfp::KERNEL)
}

/// Unmaps, checks what is left to invalidate, and frees the tables that were cut out. Returns how
/// many bytes and how many tables that were.
fn unmap<F: Format>(table: &Table<F>, iova: u64, len: u64) -> (u64, usize) {
    Gather::with_new(|gather| {
        let done = table.unmap(Iova(iova), len as usize, gather) as u64;
        check!(gather.range() == IovaRange::with_len(Iova(iova), done));
        let pages = gather.pages();
        check!(gather.has_pages() == (pages != 0));
        gather.free_pages();
        (done, pages)
    })
}

fn lookup<F: Format>(table: &Table<F>, iova: u64) -> Option<u64> {
    table.lookup(Iova(iova)).map(|pa| pa.0)
}

/// How many tables a table consists of.
fn tables<F: Format>(table: &Table<F>) -> usize {
    fn below<F: Format>(node: Node<'_, F>, first: u64) -> usize {
        let level = node.level();
        if level.is_last() {
            return 1;
        }
        let mut count = 1;
        for index in 0..ENTRIES as u64 {
            let iova = first.wrapping_add(index.wrapping_mul(level.span()));
            if let Item::Table(child) = node.item(Iova(iova)) {
                let mut node = node;
                node.enter(child);
                count += below(node, iova);
            }
        }
        count
    }
    below(table.root.node(), 0)
}

/// The entries on the way to `iova`, from the root on, and their levels.
fn way<'t, F: Format>(
    table: &'t Table<F>,
    iova: u64,
) -> impl Iterator<Item = (Level, &'t Atomic<u64>)> {
    let iova = Iova(iova);
    let mut next = Some(table.root.node());
    core::iter::from_fn(move || {
        let mut node = next?;
        let found = (node.level(), node.word(iova));
        next = match node.item(iova) {
            Item::Table(child) => {
                node.enter(child);
                Some(node)
            }
            Item::Empty | Item::Leaf(_) => None,
        };
        Some(found)
    })
}

/// What hardware that does not snoop reads where `word` is. Only the host knows.
fn seen_by_hardware(word: &Atomic<u64>) -> u64 {
    #[cfg(test)]
    if let Some(seen) = iommu_ext::memory::seen_by_hardware(word) {
        return seen;
    }
    word.load(Relaxed)
}

pub(crate) fn pages_of_every_size<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        for page in sizes(table) {
            let (iova, pa) = (3 * page, 5 * page);
            let len = 2 * page;
            check!(lookup(table, iova).is_none());
            check!(map(table, iova, pa, page, 2) == (len as usize, Ok(())));
            for offset in [0, 1, page - 1, page, len - 1] {
                check!(lookup(table, iova + offset) == Some(pa + offset));
            }
            check!(lookup(table, iova - 1).is_none());
            check!(lookup(table, iova + len).is_none());
            // It is leaves of this size that were written.
            check!(way(table, iova).last().map(|(level, _)| level.span()) == Some(page));
            check!(unmap(table, iova, len) == (len, 0));
            for offset in [0, page, len - 1] {
                check!(lookup(table, iova + offset).is_none());
            }
            // What is empty below is in the way of larger leaves: it goes with a range that is full.
            let around = page * ENTRIES as u64;
            if around <= last_of(table.descriptor().input_bits) {
                map(table, 0, 0, page, ENTRIES).1?;
                check!(unmap(table, 0, around).0 == around);
            }
        }
        Ok(())
    })
}

pub(crate) fn edges_of_the_input_width<F: Format>() -> Result {
    for levels in F::MIN_LEVELS..=F::MAX_LEVELS {
        let full = config::<F>(levels, true);
        for input_bits in [full.input_bits, full.input_bits - 1, full.input_bits - 8] {
            let new = || Table::<F>::new(&Config { input_bits, ..full });
            let last = last_of(input_bits);
            for page in sizes(&new()?).filter(|page| *page <= last) {
                let table = new()?;
                let first = last - (page - 1);
                check!(map(&table, first, 0, page, 1).1 == Ok(()));
                check!(lookup(&table, last) == Some(page - 1));
                check!(map(&table, first, 0, page, 2) == (0, Err(EINVAL)));
                check!(unmap(&table, first, page + 1) == (0, 0));
                if last != u64::MAX {
                    check!(lookup(&table, last + 1).is_none());
                    check!(map(&table, last + 1, 0, page, 1) == (0, Err(EINVAL)));
                    check!(unmap(&table, last + 1, page) == (0, 0));
                }
                check!(lookup(&table, u64::MAX).is_none() || last == u64::MAX);
                check!(unmap(&table, first, page).0 == page);
                // Ranges that wrap.
                let top = u64::MAX - (page - 1);
                check!(map(&table, top, 0, page, 2) == (0, Err(EINVAL)));
                check!(unmap(&table, top, 2 * page) == (0, 0));
            }
        }
    }
    Ok(())
}

pub(crate) fn edges_of_the_output_width<F: Format>() -> Result {
    for output_bits in [F::MAX_OUTPUT_BITS, F::MAX_OUTPUT_BITS - 1, 32] {
        let full = config::<F>(F::MIN_LEVELS, true);
        let new = || {
            Table::<F>::new(&Config {
                output_bits,
                ..full
            })
        };
        let last = last_of(output_bits);
        for page in sizes(&new()?) {
            let table = new()?;
            let first = last - (page - 1);
            check!(map(&table, 0, first, page, 1).1 == Ok(()));
            check!(lookup(&table, page - 1) == Some(last));
            check!(map(&table, page, first, page, 2) == (0, Err(EINVAL)));
            if last != u64::MAX {
                check!(map(&table, page, last + 1, page, 1) == (0, Err(EINVAL)));
            }
            check!(map(&table, page, u64::MAX - (page - 1), page, 2) == (0, Err(EINVAL)));
            check!(unmap(&table, 0, page).0 == page);
        }
    }
    Ok(())
}

pub(crate) fn requests_that_are_refused<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        for page in sizes(table) {
            let half = page / 2;
            for (iova, pa, page, count) in [
                (half, 0, page, 1),
                (0, half, page, 1),
                (1, 0, page, 1),
                (0, 1, page, 1),
                (0, 0, page, 0),
                (0, 0, page, usize::MAX),
                (0, 0, page, usize::MAX / page as usize + 1),
                (0, 0, half, 1),
                (0, 0, page | half, 1),
            ] {
                let known = table.descriptor().page_sizes.contains(page as usize);
                if !known || count != 1 || (iova | pa) & (page - 1) != 0 {
                    check!(map(table, iova, pa, page, count) == (0, Err(EINVAL)));
                }
            }
            check!(unmap(table, 0, 0) == (0, 0));
            check!(unmap(table, 0, page) == (0, 0));
        }
        check!(map(table, 0, 0, 0, 1) == (0, Err(EINVAL)));
        check!(map(table, 0, 0, 1, 1) == (0, Err(EINVAL)));
        check!(tables(table) == 1);
        Ok(())
    })
}

pub(crate) fn permissions<F: Format>() -> Result {
    let nothing = Prot {
        read: false,
        ..READ
    };
    let snooped = Prot {
        snoop: true,
        ..READ_WRITE
    };
    check!(F::attributes(READ).is_some() && F::attributes(READ_WRITE).is_some());
    check!(F::attributes(READ) != F::attributes(READ_WRITE));
    check!(F::attributes(READ) != F::attributes(WRITE));
    for_each_table::<F>(|table| {
        for prot in [nothing, snooped] {
            let refused = table.map(Iova(0), PhysAddr(0), SMALL as usize, 1, prot, Gfp::KERNEL);
            check!(refused == (0, Err(EINVAL)));
        }
        // The small ones last: their tables would be in the way.
        let mut iova = 0;
        for page in sizes(table) {
            for prot in [READ, WRITE, READ_WRITE] {
                iova += page - iova % page;
                let Some(attributes) = F::attributes(prot) else {
                    continue;
                };
                let (at, pa) = (Iova(iova), PhysAddr(7 * page));
                table.map(at, pa, page as usize, 1, prot, Gfp::KERNEL).1?;
                let (level, word) = way(table, iova).last().ok_or(ENODEV)?;
                check!(level.span() == page);
                check!(word.load(Relaxed) == F::leaf(pa, level, attributes));
                check!(matches!(F::decode(word.load(Relaxed), level), Entry::Leaf(to) if to == pa));
                iova += page;
            }
        }
        Ok(())
    })
}

pub(crate) fn mapped_already<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        map(table, 5 * SMALL, 0, SMALL, 1).1?;
        check!(map(table, 5 * SMALL, 0, SMALL, 1) == (0, Err(EEXIST)));
        // As far as there is room; what was mapped stays.
        check!(map(table, 3 * SMALL, 0, SMALL, 9) == (2 * SMALL as usize, Err(EEXIST)));
        check!(lookup(table, 3 * SMALL) == Some(0) && lookup(table, 6 * SMALL).is_none());
        for page in sizes(table).skip(1) {
            // A large page over a small one, and the other way round.
            check!(map(table, 0, 0, page, 1).1 == Err(EEXIST));
            let iova = 4 * page;
            map(table, iova, 0, page, 1).1?;
            for smaller in sizes(table).filter(|size| *size <= page) {
                check!(map(table, iova, 0, smaller, 1) == (0, Err(EEXIST)));
                let last = iova + page - smaller;
                check!(map(table, last, 0, smaller, 1) == (0, Err(EEXIST)));
            }
            check!(lookup(table, iova) == Some(0));
            check!(unmap(table, iova, page).0 == page);
        }
        Ok(())
    })
}

pub(crate) fn a_part_of_a_leaf_stays<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        for page in sizes(table).skip(1) {
            let iova = 8 * page;
            map(table, iova, 0, page, 2).1?;
            check!(unmap(table, iova, SMALL) == (0, 0));
            check!(unmap(table, iova, page - SMALL) == (0, 0));
            check!(unmap(table, iova + SMALL, page - SMALL) == (0, 0));
            check!(unmap(table, iova + SMALL, page) == (0, 0));
            check!(lookup(table, iova + page - 1) == Some(page - 1));
            // The whole one goes, the part of its neighbour stays.
            check!(unmap(table, iova, page + SMALL) == (page, 0));
            check!(lookup(table, iova).is_none());
            check!(lookup(table, iova + page) == Some(page));
            check!(unmap(table, iova + page, page) == (page, 0));
        }
        Ok(())
    })
}

pub(crate) fn unmap_stops_at_a_hole<F: Format>() -> Result {
    let (count, hole) = (2 * ENTRIES, ENTRIES as u64 + 77);
    for_each_table::<F>(|table| {
        map(table, 0, 0, SMALL, count).1?;
        check!(unmap(table, hole * SMALL, SMALL) == (SMALL, 0));
        let all = count as u64 * SMALL;
        // The first table is full and goes, the second has a hole.
        check!(unmap(table, 0, all) == (hole * SMALL, 1));
        check!(unmap(table, 0, all) == (0, 0));
        let rest = (hole + 1) * SMALL;
        check!(lookup(table, rest) == Some(rest));
        check!(unmap(table, rest, all).0 == all - rest);
        check!(lookup(table, rest).is_none());
        Ok(())
    })
}

pub(crate) fn tables_are_freed<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        let levels = usize::from(table.descriptor().levels);
        check!(tables(table) == 1);
        let span = SMALL * ENTRIES as u64;
        map(table, span, 0, SMALL, 3 * ENTRIES).1?;
        // One of each level above the last.
        check!(tables(table) == levels - 1 + 3);
        // Part of a table, or leaves one by one: the table stays, and is used again.
        check!(unmap(table, span, SMALL) == (SMALL, 0));
        map(table, span, 0, SMALL, 1).1?;
        check!(tables(table) == levels - 1 + 3);
        check!(unmap(table, span, span) == (span, 1));
        check!(tables(table) == levels - 1 + 2);
        check!(unmap(table, 2 * span, 2 * span) == (2 * span, 2));
        check!(tables(table) == levels - 1);
        Ok(())
    })
}

pub(crate) fn a_large_page_over_an_empty_table<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        let Some(large) = sizes(table).find(|size| *size == SMALL * ENTRIES as u64) else {
            return Ok(());
        };
        map(table, large, 0, SMALL, 1).1?;
        check!(unmap(table, large, SMALL) == (SMALL, 0));
        let before = tables(table);
        // The empty table stays, and takes small leaves; its neighbour is a large one.
        map(table, large, 0, large, 2).1?;
        let span = |iova| way(table, iova).last().map(|(level, _)| level.span());
        check!(span(large) == Some(SMALL) && span(2 * large) == Some(large));
        check!(lookup(table, 2 * large - 1) == Some(large - 1));
        check!(tables(table) == before);
        // It goes when its range is unmapped, and large leaves fit again.
        check!(unmap(table, large, 2 * large) == (2 * large, 1));
        map(table, large, 0, large, 1).1?;
        check!(span(large) == Some(large));
        Ok(())
    })
}

pub(crate) fn a_run_over_several_tables<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        // From the last entries of a table over the next one into a third.
        let first = (ENTRIES as u64 - 5) * SMALL;
        let count = ENTRIES + 10;
        let len = count as u64 * SMALL;
        let pa = 0x1_0000 * SMALL;
        check!(map(table, first, pa, SMALL, count) == (len as usize, Ok(())));
        for page in 0..count as u64 {
            check!(lookup(table, first + page * SMALL) == Some(pa + page * SMALL));
        }
        check!(lookup(table, first - 1).is_none() && lookup(table, first + len).is_none());
        // Only the one in the middle is covered whole.
        check!(unmap(table, first, len) == (len, 1));
        check!((0..count as u64).all(|page| lookup(table, first + page * SMALL).is_none()));
        Ok(())
    })
}

/// Nothing of it is left: the host counts pages, and so do the guest's tests.
pub(crate) fn the_table_goes_with_all_that_is_in_it<F: Format>() -> Result {
    for_each_table::<F>(|table| {
        let top = Level::top(table.descriptor().levels).span();
        for index in [0, 1, ENTRIES as u64 - 1] {
            map(table, index * top, 0, SMALL, 1).1?;
            for page in sizes(table).skip(1).filter(|page| *page < top) {
                map(table, index * top + 2 * page, 0, page, 1).1?;
            }
        }
        check!(tables(table) > 3);
        Ok(())
    })
}

/// Entries for tables carry the bit that says so, leaves never do; where hardware does not snoop,
/// it reads what was written.
pub(crate) fn written_back<F: Format>() -> Result {
    check!(F::WRITTEN_BACK.is_power_of_two());
    for_each_table::<F>(|table| {
        let is_seen = |word: &Atomic<u64>| {
            let word_of_cpu = word.load(Relaxed);
            let differs = word_of_cpu ^ seen_by_hardware(word);
            table.descriptor().coherent || differs & !F::WRITTEN_BACK == 0
        };
        let is_marked = |word: &Atomic<u64>| word.load(Relaxed) & F::WRITTEN_BACK != 0;
        for page in sizes(table) {
            let iova = 9 * page;
            map(table, iova, 0, page, 2).1?;
            for (level, word) in way(table, iova) {
                check!(is_seen(word));
                check!(is_marked(word) == (level.span() != page));
            }
            check!(way(table, iova + page).all(|(_, word)| is_seen(word)));
            // What nobody has written yet is empty to hardware as well.
            for free in [iova - page, iova + 2 * page] {
                check!(way(table, free).all(|(_, word)| is_seen(word)));
            }
            check!(unmap(table, iova, 2 * page).0 == 2 * page);
            check!(way(table, iova).all(|(_, word)| is_seen(word)));
            let leaf = way(table, iova).last().map(|(_, word)| word.load(Relaxed));
            check!(leaf == Some(EMPTY));
        }
        // A table that was cut out.
        let span = SMALL * ENTRIES as u64;
        map(table, span * 512, 0, SMALL, ENTRIES).1?;
        check!(unmap(table, span * 512, span) == (span, 1));
        check!(way(table, span * 512).all(|(_, word)| is_seen(word)));
        Ok(())
    })
}

pub(crate) fn tables_that_the_format_does_not_have<F: Format>() -> Result {
    let good = config::<F>(F::MIN_LEVELS, true);
    let refused = |config: Config| Table::<F>::new(&config).err() == Some(EINVAL);
    for levels in [0, F::MIN_LEVELS - 1, F::MAX_LEVELS + 1, u8::MAX] {
        check!(refused(Config { levels, ..good }));
    }
    for input_bits in [0, 11, good.input_bits + 1, 65, u8::MAX] {
        check!(refused(Config { input_bits, ..good }));
    }
    for output_bits in [0, 11, F::MAX_OUTPUT_BITS + 1, 65, u8::MAX] {
        check!(refused(Config {
            output_bits,
            ..good
        }));
    }
    let beyond = 1 << F::PAGE_SIZES.trailing_zeros() >> 1;
    for sizes in [0, F::PAGE_SIZES & !SMALL, F::PAGE_SIZES | beyond, u64::MAX] {
        let page_sizes = PageSizes(sizes);
        check!(refused(Config { page_sizes, ..good }));
    }
    let table = Table::<F>::new(&good)?;
    let descriptor = table.descriptor();
    check!(descriptor.format == F::NAME);
    check!(descriptor.root == table.root.phys());
    check!(descriptor.levels == good.levels);
    check!(descriptor.page_sizes == good.page_sizes);
    Ok(())
}
