// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a table, in lines for the log.

use super::{
    Error,
    Result, //
};
use iommu_ext::vec::KVecExt;
use kernel::{
    fmt,
    prelude::*, //
};

/// More lines than anybody reads: a table of garbage does not fill the log.
const MAX: usize = 64;

/// What a note is about, besides its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// Nothing besides.
    Nothing,
    /// A number.
    Number(u64),
    /// A width, in bits.
    Bits(u16),
    /// A physical address.
    Address(u64),
    /// Physical addresses, the last one included.
    Range(u64, u64),
}

/// Something that is wrong, or was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    /// Where, in bytes from the start of the table.
    pub(crate) offset: usize,
    /// Whether firmware is wrong; if not, it may know more than we do.
    pub(crate) is_fault: bool,
    /// Whether `what` should be there, and is not.
    is_missing: bool,
    /// What it is.
    pub(crate) what: &'static str,
    /// Which one.
    pub(crate) about: About,
    /// What is made of it.
    consequence: &'static str,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {:#x}: ", self.offset)?;
        if self.is_missing {
            f.write_str("expected ")?;
        }
        f.write_str(self.what)?;
        match self.about {
            About::Nothing => (),
            About::Number(number) => write!(f, " {number}")?,
            About::Bits(bits) => write!(f, " {bits} bits")?,
            About::Address(address) => write!(f, " {address:#x}")?,
            About::Range(first, last) => write!(f, " {first:#x} to {last:#x}")?,
        }
        write!(f, ": {}", self.consequence)
    }
}

/// Notes, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Notes {
    notes: KVec<Note>,
    /// How many more there would be.
    more: usize,
}

impl Notes {
    pub(super) const fn new() -> Self {
        Self {
            notes: KVec::new(),
            more: 0,
        }
    }

    /// The notes.
    pub(crate) fn iter(&self) -> core::slice::Iter<'_, Note> {
        self.notes.iter()
    }

    /// How many were not kept.
    pub(crate) fn more(&self) -> usize {
        self.more
    }

    /// Something is wrong.
    pub(super) fn fault(
        &mut self,
        offset: usize,
        what: &'static str,
        about: About,
        consequence: &'static str,
    ) -> Result<()> {
        self.add(Note {
            offset,
            is_fault: true,
            is_missing: false,
            what,
            about,
            consequence,
        })
    }

    /// Something is not there.
    pub(super) fn lost(
        &mut self,
        offset: usize,
        expected: &'static str,
        consequence: &'static str,
    ) -> Result<()> {
        self.add(Note {
            offset,
            is_fault: true,
            is_missing: true,
            what: expected,
            about: About::Nothing,
            consequence,
        })
    }

    /// Something is of a type that we do not know.
    pub(super) fn passed_over(
        &mut self,
        offset: usize,
        what: &'static str,
        kind: u16,
    ) -> Result<()> {
        self.add(Note {
            offset,
            is_fault: false,
            is_missing: false,
            what,
            about: About::Number(kind.into()),
            consequence: "passed over",
        })
    }

    fn add(&mut self, note: Note) -> Result<()> {
        if self.notes.len() < MAX {
            self.notes
                .try_push(note, GFP_KERNEL)
                .map_err(|_| Error::NoMemory)?;
        } else {
            self.more = self.more.saturating_add(1);
        }
        Ok(())
    }
}
