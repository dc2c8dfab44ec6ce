// SPDX-License-Identifier: GPL-2.0

//! What a unit reaches: memory.

/// What is found in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<T> {
    /// This.
    Value(T),
    /// Memory that is not allocated: nobody may rely on what is there.
    Freed,
    /// No memory.
    Nothing,
}

/// Memory, as a unit reaches it.
pub trait Bus: Send + Sync {
    /// Reads the word at `address`: as the CPU sees it (`snoop`), or as it was written back last.
    fn read(&self, address: u64, snoop: bool) -> Found<u64>;

    /// Reads the 16 bytes at `address` at once.
    fn read_pair(&self, address: u64, snoop: bool) -> Found<[u64; 2]>;

    /// Something, chosen by `chance`, becomes visible before it must: CPU caches write back, and
    /// write buffers drain, when they like.
    fn settle(&self, _chance: u64) {}

    /// All that was written becomes visible, as far as no CPU cache holds it back (6.8).
    fn flush_write_buffer(&self) {}

    /// Writes four bytes. Returns whether there is memory for them.
    fn write(&self, address: u64, value: u32) -> bool;
}
