// SPDX-License-Identifier: GPL-2.0

//! Memory: `Box` and `Vec` of the host, with signatures that can fail.

use crate::{
    context,
    error::{
        code::ENOMEM,
        Error, //
    }, //
};
use std::{
    marker::Unsize,
    ops::{
        CoerceUnsized,
        Deref,
        DerefMut, //
    },
};

/// No memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        ENOMEM
    }
}

/// No such element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RemoveError;

/// No room; the value that has none.
pub struct PushError<T>(pub T);

/// In which context memory is asked for.
#[derive(Clone, Copy)]
pub struct Flags {
    may_sleep: bool,
}

impl Flags {
    /// To be called by what asks for memory with these flags.
    #[track_caller]
    pub(crate) fn ask(self) {
        context::allocates(self.may_sleep);
    }
}

/// The contexts.
pub mod flags {
    use super::Flags;

    /// May sleep.
    pub const GFP_KERNEL: Flags = Flags { may_sleep: true };
    /// May not sleep.
    pub const GFP_ATOMIC: Flags = Flags { may_sleep: false };
}

/// A box.
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    /// Puts `value` into memory of its own.
    #[track_caller]
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        flags.ask();
        Ok(Self(Box::new(value)))
    }
}

impl<T: ?Sized + Unsize<U>, U: ?Sized> CoerceUnsized<KBox<U>> for KBox<T> {}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A vector. Grows only where it can say that it failed.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct KVec<T>(Vec<T>);

impl<T> KVec<T> {
    /// A vector without elements.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A vector without elements that has room for `capacity` of them.
    #[track_caller]
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self, AllocError> {
        flags.ask();
        Ok(Self(Vec::with_capacity(capacity)))
    }

    /// How many elements there is room for.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Makes room for `additional` elements.
    #[track_caller]
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        if self.0.capacity() - self.0.len() < additional {
            flags.ask();
        }
        self.0.reserve(additional);
        Ok(())
    }

    /// Appends `value`.
    #[track_caller]
    pub fn push(&mut self, value: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        self.0.push(value);
        Ok(())
    }

    /// Appends `value`, if there is room.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.0.len() < self.0.capacity() {
            self.0.push(value);
            Ok(())
        } else {
            Err(PushError(value))
        }
    }

    /// Takes out the element at `index`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn remove(&mut self, index: usize) -> Result<T, RemoveError> {
        if index < self.0.len() {
            Ok(self.0.remove(index))
        } else {
            Err(RemoveError)
        }
    }

    /// Takes the last element.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
