// SPDX-License-Identifier: GPL-2.0

//! Requests that have timed out, as a device did not answer: they are sent once more, and the
//! device that is to blame is found out.
//!
//! All of them are sent again, also those that are to no device. Of what it has taken, a unit drops
//! the waits (6.5.2.10); without those nobody knows how far it has come with the rest. It does no
//! harm to carry out a request twice.
//!
//! To blame is the device that the unit names (IQERCD_REG.ITESID); on units that name none, the only
//! one that was asked; if there were several, they are asked one by one.

use super::{
    super::descriptor::Descriptor,
    batch::Batch,
    Outcome,
    Queue,
    Ticket, //
};
use kernel::prelude::*;

impl Queue {
    /// Sends requests of which some have timed out: the first ones, with `ticket`.
    #[cold]
    #[inline(never)]
    pub(super) fn send_again(
        &self,
        mut requests: impl Iterator<Item = Descriptor>,
        ticket: &Ticket,
    ) -> Result<Outcome> {
        // Only the first batch was sent before.
        let mut is_covered = self.is_covered(ticket);
        loop {
            let mut batch = Batch::of(&mut requests);
            if batch.is_empty() {
                return Ok(Outcome::Done);
            }
            if core::mem::take(&mut is_covered) {
                batch.keep_devices();
            }
            let outcome = self.run(batch)?;
            if outcome != Outcome::Done {
                return Ok(outcome);
            }
        }
    }

    /// Sends a batch, which has timed out, until it does not, or it is known whose fault that is.
    fn run(&self, mut batch: Batch) -> Result<Outcome> {
        // Each time-out costs some device its ATS, sooner or later: so many must fail meanwhile.
        const ATTEMPTS: usize = 32;
        // A device that has been asked alone this often, and each time one that is not known has
        // not answered, is taken to be the one.
        const BENEFIT_OF_DOUBT: usize = 3;
        let mut unknown: usize = 0;
        for _ in 0..ATTEMPTS {
            if batch.is_empty() {
                return Ok(Outcome::Done);
            }
            let (silent, is_known) = {
                let state = self.state.lock();
                let silent = batch.devices().find(|sid| state.silent.contains(*sid));
                (silent, state.silent.len() > 0)
            };
            if let Some(sid) = silent {
                return Ok(Outcome::Silent(sid));
            }
            let (first, second) = {
                let mut asked = batch.devices();
                (asked.next(), asked.next())
            };
            match (is_known, first, second) {
                (false, Some(_), Some(_)) => return self.run_one_by_one(&batch),
                (false, Some(only), None) => {
                    if unknown == BENEFIT_OF_DOUBT {
                        return Ok(Outcome::Silent(only));
                    }
                    unknown = unknown.saturating_add(1);
                }
                _ => (),
            }
            let ticket = self.enqueue(&mut batch.requests())?;
            self.wait_for(&ticket)?;
            if !self.has_timed_out(&ticket) {
                return Ok(Outcome::Done);
            }
            if self.is_covered(&ticket) {
                batch.keep_devices();
            }
        }
        Err(EIO)
    }

    /// Sends the requests of a batch one by one: of the devices among them one has not answered.
    fn run_one_by_one(&self, batch: &Batch) -> Result<Outcome> {
        for request in batch.requests() {
            let outcome = self.run(Batch::of(&mut core::iter::once(request)))?;
            if outcome != Outcome::Done {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Done)
    }
}
