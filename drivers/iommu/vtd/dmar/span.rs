// SPDX-License-Identifier: GPL-2.0

//! Bytes of a table: read with a check, and with an error that says where.

use super::{
    Error,
    Result, //
};

/// A run of bytes of the table.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) bytes: &'a [u8],
    /// Where it starts in the table.
    pub(super) offset: usize,
}

impl<'a> Span<'a> {
    /// `expected` at `at`, or at the end if that comes first.
    pub(super) fn error(&self, at: usize, expected: &'static str) -> Error {
        Error::Malformed {
            offset: self.offset.saturating_add(at.min(self.bytes.len())),
            expected,
        }
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        self.bytes
            .get(at..)
            .and_then(|bytes| bytes.first_chunk())
            .copied()
            .ok_or_else(|| self.error(at, "more bytes"))
    }

    pub(super) fn u8(&self, at: usize) -> Result<u8> {
        self.array(at).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: usize) -> Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// The bytes from `at` on; none if there are not that many.
    pub(super) fn from(&self, at: usize) -> Self {
        let at = at.min(self.bytes.len());
        Self {
            bytes: self.bytes.get(at..).unwrap_or_default(),
            offset: self.offset.saturating_add(at),
        }
    }

    /// The first `len` bytes: a record that says at `at` how long it is, and has at least `min`
    /// bytes. As `min` is not 0, a list of such records comes to an end.
    pub(super) fn first(&self, at: usize, len: usize, min: usize) -> Result<Self> {
        if len < min {
            return Err(self.error(at, "a length that covers the fixed fields"));
        }
        match self.bytes.get(..len) {
            Some(bytes) => Ok(Self {
                bytes,
                offset: self.offset,
            }),
            None => Err(self.error(at, "a length that ends inside what is around")),
        }
    }

    /// Checks that a structure has the `min` bytes of its fixed fields.
    pub(super) fn has_fields(&self, min: usize) -> Result<()> {
        if self.bytes.len() < min {
            return Err(self.error(2, "a length that covers the fixed fields"));
        }
        Ok(())
    }
}
