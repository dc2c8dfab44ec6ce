// SPDX-License-Identifier: GPL-2.0

//! The memory that page tables are made of, twice: as the CPU sees it and as hardware sees it.
//!
//! A [`Memory`] is a bank of pages that belongs to one test. Page tables find it by the number of
//! its NUMA node. Who asks for no node and is on no machine, as KUnit suites do, gets pages of a bank
//! that the thread has of its own. It knows:
//!
//! - how many pages are allocated. When it is dropped there must be none; a page that is freed twice
//!   is reported at once. A page that was freed is filled with words that lead nowhere good.
//! - what hardware that does not snoop the CPU caches would read. A cache line gets there when it
//!   is flushed, or when it likes ([`Memory::settle`]); a page that was never flushed reads as
//!   garbage.
//! - what is in a write buffer on the way there ([`Memory::buffer_writes`]).
//! - how many more pages may be allocated before allocations begin to fail.

use crate::{
    addr::{
        PhysAddr,
        PAGE_SIZE, //
    },
    pages::NumaNode, //
};
use kernel::sync::atomic::Atomic;
use std::{
    cell::OnceCell,
    collections::VecDeque,
    sync::{
        atomic::{
            fence,
            AtomicBool,
            AtomicI64,
            AtomicU64,
            AtomicUsize,
            Ordering::{
                Relaxed,
                SeqCst, //
            }, //
        },
        Mutex,
        OnceLock, //
    }, //
};

/// Banks that can exist at a time.
const BANKS: usize = 96;
/// Pages in a bank.
const PAGES: usize = 2048;
/// Words in a page.
const WORDS: usize = PAGE_SIZE / size_of::<u64>();
/// Words in a cache line.
const LINE: usize = 64 / size_of::<u64>();
/// Physical address of the first page of the first bank: above 4 GiB, so that a truncated address
/// is a wrong one.
const BASE: u64 = 0x1_2340_0000;

/// What a freed page is filled with, and a page that hardware has not seen yet: present, a table
/// by every format, and far outside of the banks.
pub const POISON: u64 = 0x000f_dead_beef_f003;

/// One bank.
struct Bank {
    /// Whether pages are allocated, by page.
    used: Vec<AtomicBool>,
    /// Where the search for a free page begins: pages are used again as late as possible.
    next: AtomicUsize,
    /// Allocations that may still succeed; negative when there is no limit.
    quota: AtomicI64,
    /// Allocations that failed for want of quota.
    refused: AtomicUsize,
    /// Lines written back.
    flushes: AtomicUsize,
    /// Whether flushes take their time.
    slow: AtomicBool,
    /// Whether what is flushed gets into a write buffer.
    buffered: AtomicBool,
    /// What is in there: lines, and their words.
    pending: Mutex<VecDeque<(usize, [u64; LINE])>>,
}

/// All banks, and their words: those of the CPU, followed by those of hardware.
struct Machine {
    banks: Vec<Bank>,
    taken: Mutex<[bool; BANKS]>,
    words: *mut u64,
}

// SAFETY: The words are only accessed atomically.
unsafe impl Send for Machine {}
// SAFETY: As above.
unsafe impl Sync for Machine {}

const BANK_WORDS: usize = PAGES * WORDS;
const ALL_WORDS: usize = BANKS * BANK_WORDS;

fn machine() -> &'static Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    MACHINE.get_or_init(|| {
        // One page more, to begin with a page. To ask for the alignment would have the host clear
        // the memory at once, instead of giving it when it is touched.
        let layout = std::alloc::Layout::array::<u64>(2 * ALL_WORDS + WORDS).unwrap();
        // SAFETY: The size is not 0.
        let words: *mut u64 = unsafe { std::alloc::alloc_zeroed(layout) }.cast();
        assert!(!words.is_null());
        let words = words.wrapping_byte_add(words.align_offset(PAGE_SIZE) * size_of::<u64>());
        let bank = || Bank {
            used: (0..PAGES).map(|_| AtomicBool::new(false)).collect(),
            next: AtomicUsize::new(0),
            quota: AtomicI64::new(-1),
            refused: AtomicUsize::new(0),
            flushes: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            buffered: AtomicBool::new(false),
            pending: Mutex::default(),
        };
        Machine {
            banks: (0..BANKS).map(|_| bank()).collect(),
            taken: Mutex::new([false; BANKS]),
            words,
        }
    })
}

impl Machine {
    /// A word of the CPU's memory.
    fn cpu(&self, word: usize) -> &AtomicU64 {
        assert!(word < ALL_WORDS);
        // SAFETY: Within the allocation, aligned, and accessed atomically.
        unsafe { AtomicU64::from_ptr(self.words.add(word)) }
    }

    /// The same word of hardware's memory.
    fn hardware(&self, word: usize) -> &AtomicU64 {
        assert!(word < ALL_WORDS);
        // SAFETY: As above.
        unsafe { AtomicU64::from_ptr(self.words.add(ALL_WORDS + word)) }
    }

    /// Fills the page that begins with the word `first`. To hardware it is garbage.
    fn fill(&self, first: usize, value: u64) {
        let pending = &self.banks[first / BANK_WORDS].pending;
        pending
            .lock()
            .unwrap()
            .retain(|(line, _)| line * LINE / WORDS != first / WORDS);
        for word in first..first + WORDS {
            self.cpu(word).store(value, Relaxed);
            self.hardware(word).store(POISON, Relaxed);
        }
        // Before anybody learns of it.
        fence(SeqCst);
    }

    /// Lets hardware see a cache line as the CPU does.
    fn settle(&self, line: usize) {
        for word in line * LINE..(line + 1) * LINE {
            // Another CPU may flush the same line with a newer word in it: never put an older one
            // back.
            loop {
                let value = self.cpu(word).load(SeqCst);
                if self.hardware(word).load(SeqCst) == value {
                    break;
                }
                self.hardware(word).store(value, SeqCst);
            }
        }
    }

    /// Lets hardware see a cache line that has left the write buffer.
    fn leave_buffer(&self, (line, words): (usize, [u64; LINE])) {
        for (word, value) in (line * LINE..).zip(words) {
            self.hardware(word).store(value, SeqCst);
        }
    }

    /// The page at `phys`, counted over all banks, if it is allocated.
    fn page_at(&self, phys: PhysAddr) -> Option<usize> {
        let page = usize::try_from(phys.0.checked_sub(BASE)?).ok()? / PAGE_SIZE;
        let bank = self.banks.get(page / PAGES)?;
        bank.used[page % PAGES].load(SeqCst).then_some(page)
    }
}

/// Reads 16 bytes at once.
///
/// # Safety
///
/// `pair` is valid for atomic accesses and aligned to its size. The CPU has CMPXCHG16B.
unsafe fn load_pair(pair: *const u64) -> [u64; 2] {
    let (mut low, mut high) = (0, 0);
    // SAFETY: By the requirement above. The same value is written back, if any. `rbx`, which the
    // compiler does not let us name, is put back. `pair` has a register of its own, as one of the
    // compiler's choice could be `rbx`, too.
    unsafe {
        std::arch::asm!(
            "xchgq {zero}, %rbx",
            "lock cmpxchg16b (%rdi)",
            "xchgq {zero}, %rbx",
            in("rdi") pair,
            zero = inout(reg) 0u64 => _,
            in("rcx") 0u64,
            inout("rax") low,
            inout("rdx") high,
            options(att_syntax, nostack),
        )
    };
    [low, high]
}

/// A bank of memory, for one test.
pub struct Memory {
    bank: usize,
}

impl Memory {
    /// A bank with no page allocated.
    #[expect(clippy::new_without_default, reason = "there are not many")]
    pub fn new() -> Self {
        let mut taken = machine().taken.lock().unwrap();
        let bank = taken.iter().position(|taken| !taken).expect("no bank left");
        taken[bank] = true;
        Self { bank }
    }

    /// The NUMA node that the bank belongs to.
    pub fn node(&self) -> NumaNode {
        NumaNode(self.bank as i32)
    }

    /// Pages that are allocated.
    pub fn live(&self) -> usize {
        let used = self.state().used.iter();
        used.filter(|used| used.load(SeqCst)).count()
    }

    /// Lets `count` more allocations succeed, and none after.
    pub fn fail_after(&self, count: u32) {
        self.state().quota.store(count.into(), SeqCst);
    }

    /// Lets all allocations succeed that there is memory for.
    pub fn fail_no_more(&self) {
        self.state().quota.store(-1, SeqCst);
    }

    /// How many allocations have failed.
    pub fn refused(&self) -> usize {
        self.state().refused.load(SeqCst)
    }

    /// How many cache lines have been flushed.
    pub fn flushes(&self) -> usize {
        self.state().flushes.load(SeqCst)
    }

    /// Makes flushes take their time, so that other threads run between a store and its flush.
    pub fn flush_slowly(&self) {
        self.state().slow.store(true, SeqCst);
    }

    /// From here on what is flushed gets into a write buffer, between the CPU and hardware.
    pub fn buffer_writes(&self) {
        self.state().buffered.store(true, SeqCst);
    }

    /// Empties the write buffer. `coherent`: of what was never flushed, too, as the CPU caches hold
    /// nothing back.
    pub fn flush_write_buffer(&self, coherent: bool) {
        let machine = machine();
        let mut pending = self.state().pending.lock().unwrap();
        pending
            .drain(..)
            .for_each(|line| machine.leave_buffer(line));
        if coherent {
            let used = self.state().used.iter();
            for (page, _) in used.enumerate().filter(|(_, used)| used.load(SeqCst)) {
                let first = (self.bank * BANK_WORDS + page * WORDS) / LINE;
                (first..first + WORDS / LINE).for_each(|line| machine.settle(line));
            }
        }
    }

    /// A line, chosen by `chance`, gets to hardware early: caches write back, and buffers drain,
    /// when they like.
    pub fn settle(&self, chance: u64) {
        let machine = machine();
        let bank = self.state();
        let mut pending = bank.pending.lock().unwrap();
        if let Some(line) = pending.pop_front() {
            return machine.leave_buffer(line);
        }
        // One of the pages that were allocated lately.
        let chance = chance as usize;
        let latest = bank.next.load(Relaxed) + PAGES - 1;
        let page = (latest - chance % 16) % PAGES;
        // While the lock is held the page is not used again for something else.
        if bank.used[page].load(SeqCst) {
            let line = (self.bank * BANK_WORDS + page * WORDS) / LINE;
            machine.settle(line + chance / 16 % (WORDS / LINE));
        }
    }

    /// What the word at `phys` is, to the CPU or to hardware that does not snoop. `None` if no
    /// page is allocated there.
    pub fn read(&self, phys: PhysAddr, snoop: bool) -> Option<u64> {
        let machine = machine();
        let page = machine.page_at(phys)?;
        assert_eq!(page / PAGES, self.bank, "a walk that leaves its bank");
        let word = page * WORDS + phys.0 as usize % PAGE_SIZE / size_of::<u64>();
        Some(if snoop {
            machine.cpu(word).load(SeqCst)
        } else {
            machine.hardware(word).load(SeqCst)
        })
    }

    /// The pair of words at `phys`, which is aligned to their size, read at once.
    pub fn read_pair(&self, phys: PhysAddr, snoop: bool) -> Option<[u64; 2]> {
        self.read(phys, snoop)?;
        let machine = machine();
        let word = (phys.0 - BASE) as usize / size_of::<u64>();
        let words = if snoop {
            machine.cpu(word)
        } else {
            machine.hardware(word)
        };
        // SAFETY: Both words lie in the allocation, are aligned, and all writes are atomic. Every
        // host that has an IOMMU has the instruction.
        Some(unsafe { load_pair(words.as_ptr()) })
    }

    /// Writes the low half of the word at `phys`, as a device does: the CPU sees it at once.
    /// Returns whether there is such a word.
    pub fn write_low(&self, phys: PhysAddr, value: u32) -> bool {
        if self.read(phys, true).is_none() {
            return false;
        }
        let word = (phys.0 - BASE) as usize / size_of::<u64>();
        let update = |old: u64| Some(old >> 32 << 32 | u64::from(value));
        let _ = machine().cpu(word).fetch_update(SeqCst, SeqCst, update);
        true
    }

    /// Whether there is memory at `phys`, allocated or not.
    pub fn contains(phys: PhysAddr) -> bool {
        (BASE..BASE + (ALL_WORDS * size_of::<u64>()) as u64).contains(&phys.0)
    }

    fn state(&self) -> &Bank {
        &machine().banks[self.bank]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let live = self.live();
        let bank = self.state();
        bank.used.iter().for_each(|used| used.store(false, SeqCst));
        bank.quota.store(-1, SeqCst);
        bank.refused.store(0, SeqCst);
        bank.flushes.store(0, SeqCst);
        bank.slow.store(false, SeqCst);
        bank.buffered.store(false, SeqCst);
        bank.pending.lock().unwrap().clear();
        machine().taken.lock().unwrap()[self.bank] = false;
        if !std::thread::panicking() {
            assert_eq!(live, 0, "pages are leaked");
        }
    }
}

thread_local! {
    /// The bank of who asks for no node. Dropped with the thread, which is that of one test.
    static OWN: OnceCell<Memory> = const { OnceCell::new() };
}

/// What hardware that does not snoop reads where the CPU reads `word`, of a page that is allocated.
pub fn seen_by_hardware(word: &Atomic<u64>) -> Option<u64> {
    let phys = phys_of(word.as_ptr());
    let machine = machine();
    machine.page_at(phys)?;
    let word = (phys.0 - BASE) as usize / size_of::<u64>();
    Some(machine.hardware(word).load(SeqCst))
}

/// Allocates a zeroed page, `None` if the bank of NUMA node `node` has none to give. Returns where
/// it is for the CPU.
pub(crate) fn alloc(node: i32) -> Option<*mut u64> {
    let machine = machine();
    let node = if node < 0 {
        kernel::machine::with(|machine| machine.node())
    } else {
        Some(node)
    };
    let own = || OWN.with(|own| own.get_or_init(Memory::new).node().0);
    let bank_index = node.unwrap_or_else(own) as usize;
    let bank = &machine.banks[bank_index];
    let take = |quota: i64| (quota != 0).then_some(if quota < 0 { quota } else { quota - 1 });
    if bank.quota.fetch_update(SeqCst, SeqCst, take).is_err() {
        bank.refused.fetch_add(1, SeqCst);
        return None;
    }
    let start = bank.next.load(Relaxed);
    let page = (start..start + PAGES)
        .map(|page| page % PAGES)
        .find(|page| !bank.used[*page].swap(true, SeqCst))?;
    bank.next.store(page + 1, Relaxed);

    let first = bank_index * BANK_WORDS + page * WORDS;
    machine.fill(first, 0);
    // SAFETY: Within the allocation.
    Some(unsafe { machine.words.add(first) })
}

/// Frees the page at `phys`.
pub(crate) fn free(phys: PhysAddr) {
    let machine = machine();
    let page = machine.page_at(phys).expect("a page is freed twice");
    kernel::machine::with(|machine| machine.free(phys.0));
    machine.fill(page * WORDS, POISON);
    let was_used = machine.banks[page / PAGES].used[page % PAGES].swap(false, SeqCst);
    assert!(was_used, "a page is freed twice");
}

/// The physical address of what the CPU finds at `virt`.
pub(crate) fn phys_of(virt: *const u64) -> PhysAddr {
    let offset = (virt as usize).checked_sub(machine().words as usize);
    let offset = offset.filter(|offset| *offset < ALL_WORDS * size_of::<u64>());
    PhysAddr(BASE + offset.expect("no memory of a page table") as u64)
}

/// Where the CPU finds what is at `phys`. A page must be allocated there.
pub(crate) fn virt_of(phys: PhysAddr) -> *mut u64 {
    let page = machine().page_at(phys).expect("a freed page is accessed");
    // SAFETY: Within the allocation.
    unsafe { machine().words.add(page * WORDS) }
}

/// Writes the cache lines of `len` bytes at `virt` back.
pub(crate) fn flush(virt: *const u64, len: usize) {
    if len == 0 {
        return;
    }
    let machine = machine();
    let first = (phys_of(virt).0 - BASE) as usize / size_of::<u64>();
    let lines = first / LINE..(first + len.div_ceil(size_of::<u64>())).div_ceil(LINE);
    let bank = &machine.banks[first / BANK_WORDS];
    bank.flushes.fetch_add(lines.len(), SeqCst);
    if bank.slow.load(Relaxed) {
        std::thread::yield_now();
    }
    // Until here the lines may have been anywhere.
    kernel::machine::with(|machine| machine.wrote());
    for line in lines {
        if bank.buffered.load(SeqCst) {
            let words = std::array::from_fn(|i| machine.cpu(line * LINE + i).load(SeqCst));
            bank.pending.lock().unwrap().push_back((line, words));
        } else {
            machine.settle(line);
        }
    }
}
