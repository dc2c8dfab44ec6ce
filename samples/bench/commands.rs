// SPDX-License-Identifier: GPL-2.0

//! The commands, and the objects they work on.
//!
//! `pieces`, `single`, `lists` and `attachments` choose what is timed. `measure` times many
//! stretches and says the median of each call; `map` and `unmap` run half a stretch each, for who
//! wants to see what it sends or takes. There is one domain of our own, which `attach` puts the
//! device in.

use crate::{
    race::{
        Race,
        MAX_CPUS, //
    },
    work::{
        Kind,
        Work, //
    },
};
use core::fmt::Write;
use iommu_ext::{
    addr::{
        Iova,
        IovaRange, //
    },
    consumer::{
        Answer,
        Attachment,
        Buffer,
        Commands,
        Lists,
        Mappings,
        PagingDomain,
        Pieces,
        Region,
        MAX_LISTS,
        MAX_MAPPINGS, //
    },
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// The buffer's size, as the order of its pages: 2 MiB, which fits one large leaf.
const BUFFER_ORDER: u32 = 9;

/// The most of anything in one stretch: as many pages as 1 GiB has.
const MAX_COUNT: u64 = 1 << 18;

/// The most rounds of `measure`.
const MAX_ROUNDS: u64 = 10_000;

/// The longest race, in milliseconds.
const MAX_RACE: u64 = 10_000;

/// Pieces of size n begin at address n << 17, so that no two sizes share a table but the upper
/// ones.
const SPREAD: u32 = 17;

/// What an unknown command is answered with.
const USAGE: &str = "\
attach, detach: put the device in a domain of its own, and back
pieces SIZE COUNT: work on that many pieces of the domain
single SIZE COUNT: ... on mappings of the DMA API
lists COUNT: ... on scatterlists of 256 pages
attachments COUNT: ... on attaching and detaching
measure ROUNDS: median time of that many calls, in ns: map, lookup, unmap
map, unmap: one half of a round
release: end what there is
race CPUS MILLISECONDS: map and unmap pages in the domain; on each CPU at the same time
raced: pages and ns of all since the last time
";

/// A device to measure with.
#[pin_data]
pub(crate) struct Bench<'bound> {
    dev: &'bound Device<Bound>,
    buffer: Arc<Buffer>,
    race: Race,
    #[pin]
    state: Mutex<State<'bound>>,
}

/// What commands change. Fields are dropped in this order: the device leaves the domain first.
struct State<'bound> {
    attachment: Option<Attachment<'bound>>,
    work: Option<Work<'bound>>,
    domain: Option<Arc<PagingDomain<'bound>>>,
}

impl<'bound> Bench<'bound> {
    /// A device that does nothing yet.
    pub(crate) fn new(dev: &'bound Device<Bound>) -> impl PinInit<Self, Error> + 'bound {
        try_pin_init!(Self {
            dev,
            buffer: Arc::new(Buffer::new(BUFFER_ORDER)?, GFP_KERNEL)?,
            race: Race::new(),
            state <- new_mutex!(State {
                attachment: None,
                work: None,
                domain: None,
            }),
        })
    }

    /// Ends all there is, and puts the device back in the DMA API's domain.
    pub(crate) fn release(&self) {
        let mut state = self.state.lock();
        state.attachment = None;
        state.work = None;
        state.domain = None;
    }

    fn attach(&self) -> Result {
        let mut state = self.state.lock();
        if state.attachment.is_some() {
            return Err(EBUSY);
        }
        let domain = self.domain(&mut state)?;
        state.attachment = Some(Attachment::new(domain)?);
        Ok(())
    }

    fn detach(&self) {
        self.state.lock().attachment = None;
    }

    /// Our own domain, made when first asked for.
    fn domain(&self, state: &mut State<'bound>) -> Result<Arc<PagingDomain<'bound>>> {
        if let Some(domain) = &state.domain {
            return Ok(domain.clone());
        }
        let domain = PagingDomain::new(self.dev, self.buffer.clone())?;
        state.domain = Some(domain.clone());
        Ok(domain)
    }

    /// Chooses what is timed.
    fn choose(
        &self,
        count: usize,
        kind: impl FnOnce(&mut State<'bound>) -> Result<Kind<'bound>>,
    ) -> Result {
        let mut state = self.state.lock();
        // What there was goes first: it may have the addresses.
        state.work = None;
        let kind = kind(&mut state)?;
        state.work = Some(Work { kind, count });
        Ok(())
    }

    fn pieces(&self, size: usize, count: usize) -> Result {
        self.choose(count, |state| {
            let len = size.checked_mul(count).ok_or(EINVAL)? as u64;
            let first = (size as u64).checked_shl(SPREAD).ok_or(EINVAL)?;
            let range = IovaRange::with_len(Iova(first), len).ok_or(EINVAL)?;
            let region = Region::new(self.domain(state)?, range)?;
            Ok(Kind::Pieces(Pieces::new(region, size)?))
        })
    }

    fn single(&self, size: usize, count: usize) -> Result {
        self.choose(count, |_| {
            let mappings = Mappings::new(self.dev, self.buffer.clone(), size)?;
            Ok(Kind::Single(mappings))
        })
    }

    fn lists(&self, count: usize) -> Result {
        self.choose(count, |_| {
            Ok(Kind::Lists(Lists::new(self.dev, self.buffer.clone())?))
        })
    }

    fn attachments(&self, count: usize) -> Result {
        self.choose(count, |state| Ok(Kind::Attachment(self.domain(state)?)))
    }

    fn measure(&self, rounds: usize, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        let work = state.work.as_mut().ok_or(ENOENT)?;
        let measured = work.measure(rounds)?;
        writeln!(answer, "map {} {}", measured.map, work.count)?;
        if let Some(lookup) = measured.lookup {
            writeln!(answer, "lookup {lookup} {}", work.count)?;
        }
        if measured.unmap > 0 {
            writeln!(answer, "unmap {} {}", measured.unmap, work.count)?;
        }
        Ok(())
    }

    fn map(&self, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        let took = state.work.as_mut().ok_or(ENOENT)?.map()?;
        Ok(writeln!(answer, "{}", took)?)
    }

    fn unmap(&self, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        let took = state.work.as_mut().ok_or(ENOENT)?.unmap()?;
        Ok(writeln!(answer, "{}", took)?)
    }

    fn race(&self, cpus: u64, milliseconds: u64) -> Result {
        let domain = self.domain(&mut self.state.lock())?;
        // The lock is not held meanwhile: others run, too.
        self.race
            .run(&domain, cpus, milliseconds.saturating_mul(1_000_000))
    }

    fn raced(&self, answer: &mut Answer) -> Result {
        let (pages, nanoseconds) = self.race.result();
        self.race.reset();
        Ok(writeln!(answer, "{pages} {nanoseconds}")?)
    }
}

impl Commands for Bench<'_> {
    const MODULE: &'static ThisModule = iommu_ext::this_module!(crate::BenchModule);

    fn run(&self, line: &str, answer: &mut Answer) -> Result {
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().unwrap_or("");
        match [next(), next(), next(), next()] {
            ["attach", "", "", ""] => self.attach(),
            ["detach", "", "", ""] => {
                self.detach();
                Ok(())
            }
            ["pieces", size, count, ""] => self.pieces(
                number(size, 1 << 32, answer)?,
                number(count, MAX_COUNT, answer)?,
            ),
            ["single", size, count, ""] => self.single(
                number(size, 1 << 32, answer)?,
                number(count, MAX_MAPPINGS as u64, answer)?,
            ),
            ["lists", count, "", ""] => self.lists(number(count, MAX_LISTS as u64, answer)?),
            ["attachments", count, "", ""] => self.attachments(number(count, MAX_COUNT, answer)?),
            ["measure", rounds, "", ""] => {
                self.measure(number(rounds, MAX_ROUNDS, answer)?, answer)
            }
            ["map", "", "", ""] => self.map(answer),
            ["unmap", "", "", ""] => self.unmap(answer),
            ["release", "", "", ""] => {
                self.release();
                Ok(())
            }
            ["race", cpus, time, ""] => self.race(
                number(cpus, MAX_CPUS, answer)? as u64,
                number(time, MAX_RACE, answer)? as u64,
            ),
            ["raced", "", "", ""] => self.raced(answer),
            [command, ..] => {
                writeln!(
                    answer,
                    "'{command}' is no command, or has other arguments; known:"
                )?;
                write!(answer, "{USAGE}")?;
                Err(EINVAL)
            }
        }
    }
}

/// A decimal number from 1 to `most`.
fn number(word: &str, most: u64, answer: &mut Answer) -> Result<usize> {
    match word.parse::<u64>() {
        // CAST: `usize` has 64 bits on every kernel we build for.
        Ok(number) if (1..=most).contains(&number) => Ok(number as usize),
        _ => {
            writeln!(
                answer,
                "{EINVAL:?}: '{word}' is not a number from 1 to {most}"
            )?;
            Err(EINVAL)
        }
    }
}
