// SPDX-License-Identifier: GPL-2.0

//! Vectors that grow and shrink without a call that could panic.
//!
//! The methods of [`KVec`] are compiled into the module that calls them, with checks for overflow
//! that cannot trip, by the invariants of the vector, but that the compiler cannot see through.
//! Here the invariants are tested where it sees them, so that nothing is left of the checks. The
//! functions are not inlined: the compiler then knows that nobody else changes the vector.

use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    prelude::*, //
};

/// What vectors can do besides.
pub trait KVecExt<T> {
    /// Appends `value`. As `push`, but no panic is left in the code.
    ///
    /// # Errors
    ///
    /// There is no memory to grow: `value` is dropped, and the vector is as it was.
    fn try_push(&mut self, value: T, flags: Flags) -> Result<(), AllocError>;

    /// Makes room for `additional` elements more. As `reserve`, but no panic is left in the code.
    ///
    /// # Errors
    ///
    /// There is no memory: the vector is as it was.
    fn try_reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError>;

    /// Drops the elements that `unwanted` picks; the others stay in order. As `retain`, with the
    /// opposite question, but no panic is left in the code.
    ///
    /// Moves the rest for each element that goes: for short vectors, or few elements.
    fn remove_where(&mut self, unwanted: impl FnMut(&T) -> bool);
}

impl<T> KVecExt<T> for KVec<T> {
    #[inline(never)]
    fn try_push(&mut self, value: T, flags: Flags) -> Result<(), AllocError> {
        self.try_reserve(1, flags)?;
        self.push_within_capacity(value).map_err(|_| AllocError)
    }

    #[inline]
    fn try_reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        const { assert!(size_of::<T>() != 0, "such a vector has no use for memory") };
        // An invariant of vectors: no allocation is larger than half of the address space, and
        // growing doubles the capacity.
        if self.len() > self.capacity() || self.capacity() > usize::MAX / 2 {
            return Err(AllocError);
        }
        self.reserve(additional, flags)
    }

    #[inline(never)]
    fn remove_where(&mut self, mut unwanted: impl FnMut(&T) -> bool) {
        let mut index = 0;
        while let Some(element) = self.get(index) {
            if !unwanted(element) {
                index = index.saturating_add(1);
            } else if self.remove(index).is_err() {
                // There is an element at `index`.
                return;
            }
        }
    }
}
