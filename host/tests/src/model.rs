// SPDX-License-Identifier: GPL-2.0

//! What should be mapped: a plain map from addresses to leaves.

use crate::hardware::{
    Leaf,
    Translation, //
};
use std::collections::BTreeMap;

/// The leaves that should be there, by their first address.
#[derive(Default)]
pub struct Model {
    leaves: BTreeMap<u64, Translation>,
}

impl Model {
    /// First mapped address of the `len` bytes from `iova` on.
    pub fn first_mapped(&self, iova: u64, len: u64) -> Option<u64> {
        if self.leaf_at(iova).is_some() {
            return Some(iova);
        }
        let last = iova + (len - 1);
        let mut leaves = self.leaves.range(iova..=last);
        leaves.next().map(|(first, _)| *first)
    }

    /// The leaf that maps `iova`.
    pub fn leaf_at(&self, iova: u64) -> Option<Leaf> {
        let (first, to) = self.leaves.range(..=iova).next_back()?;
        (iova - first < to.size).then_some(Leaf {
            iova: *first,
            to: *to,
        })
    }

    /// Where `iova` leads.
    pub fn lookup(&self, iova: u64) -> Option<u64> {
        let leaf = self.leaf_at(iova)?;
        Some(leaf.to.pa + (iova - leaf.iova))
    }

    /// Adds a leaf, where there is none.
    pub fn insert(&mut self, leaf: Leaf) {
        assert_eq!(self.first_mapped(leaf.iova, leaf.to.size), None);
        self.leaves.insert(leaf.iova, leaf.to);
    }

    /// Removes what can be removed of the `len` bytes from `iova` on: up to the first hole, and
    /// before a leaf of which only a part is meant. Returns how many bytes that is.
    pub fn unmap(&mut self, iova: u64, len: u64) -> u64 {
        let mut done = 0;
        while done < len {
            match self.leaf_at(iova + done) {
                Some(leaf) if leaf.iova == iova + done && leaf.to.size <= len - done => {
                    self.leaves.remove(&leaf.iova);
                    done += leaf.to.size;
                }
                _ => break,
            }
        }
        done
    }

    /// All leaves, in order of address.
    pub fn leaves(&self) -> Vec<Leaf> {
        let leaves = self.leaves.iter();
        leaves
            .map(|(iova, to)| Leaf {
                iova: *iova,
                to: *to,
            })
            .collect()
    }
}
