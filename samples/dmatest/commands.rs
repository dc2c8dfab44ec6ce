// SPDX-License-Identifier: GPL-2.0

//! The commands, and the objects they work on.
//!
//! There is one buffer of 2 MiB. `dma-map` gives its first page to the device through the DMA API.
//! `attach` puts the device in a domain of our own, where `map` maps the buffer, over and over if
//! the range is larger. `write` has the device write, and looks at the whole buffer for what
//! changed, so that a write which went astray does not go unseen.

use crate::{
    stress,
    testdev::{
        Outcome,
        TestDevice,
        WORD, //
    }, //
};
use core::fmt::Write;
use iommu_ext::{
    addr::{
        Iova,
        IovaRange,
        PAGE_SIZE, //
    },
    consumer::{
        is_capable,
        Answer,
        Attachment,
        Buffer,
        Capability,
        Commands,
        Mapping,
        PagingDomain,
        Prot,
        Region, //
    },
    new_irq_lock,
    sync::irq_lock::IrqLock, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    new_mutex,
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc,
        Mutex, //
    },
    time::{
        delay::udelay,
        Delta, //
    }, //
};

/// The buffer's size, as the order of its pages: 2 MiB, which fits one large leaf.
const BUFFER_ORDER: u32 = 9;

/// What is in the buffer before the device writes.
const BACKGROUND: u32 = 0x5a5a_5a5a;

/// The most that `map` maps, in bytes.
const MAX_LEN: u64 = 1 << 32;

/// How many ranges can be mapped at a time.
const MAX_REGIONS: usize = 8;

/// The most rounds of `stress`.
const MAX_ROUNDS: u64 = 1_000_000;

/// The longest `hold`, in milliseconds.
const MAX_HOLD: u64 = 5000;

/// What an unknown command is answered with.
const USAGE: &str = "\
dma-map read-write|read|write: DMA API mapping of the buffer's first page, by what the device may do
dma-unmap: end it
about: what the IOMMU can do for the device
attach: put the device in an empty domain of its own
detach: put it back, and forget that domain
coherent: have all accesses in the own domain snoop the CPU caches, if it can
map IOVA LEN read-write|read|write: map the buffer there (repeated) in the own domain
unmap IOVA LEN: unmap in the own domain
lookup IOVA: where that leads in the own domain
write IOVA: have the device write there, and look what came of it
hold MILLISECONDS: keep this CPU from taking interrupts for that long
stress ROUNDS: map, translate, unmap in the own domain, beside whoever else does
";

/// A device under test.
#[pin_data]
pub(crate) struct Tester<'bound> {
    dev: &'bound Device<Bound>,
    buffer: Arc<Buffer>,
    /// Interrupts are off while it is held.
    #[pin]
    interrupts: IrqLock<()>,
    #[pin]
    state: Mutex<State<'bound>>,
}

/// What commands change. Fields are dropped in this order: the device leaves the domain first.
struct State<'bound> {
    attachment: Option<Attachment<'bound>>,
    regions: [Option<Region<'bound>>; MAX_REGIONS],
    streaming: Option<Mapping<'bound>>,
    device: TestDevice<'bound>,
}

impl<'bound> Tester<'bound> {
    /// A device that does nothing yet.
    pub(crate) fn new(
        dev: &'bound Device<Bound>,
        device: TestDevice<'bound>,
    ) -> impl PinInit<Self, Error> + 'bound {
        try_pin_init!(Self {
            dev,
            buffer: Arc::new(Buffer::new(BUFFER_ORDER)?, GFP_KERNEL)?,
            interrupts <- new_irq_lock!((), "dmatest::Tester"),
            state <- new_mutex!(State {
                attachment: None,
                regions: [const { None }; MAX_REGIONS],
                streaming: None,
                device,
            }),
        })
    }

    /// Ends all mappings, and puts the device back in the DMA API's domain.
    pub(crate) fn release(&self) {
        let mut state = self.state.lock();
        state.leave_domain();
        state.streaming = None;
    }

    fn dma_map(&self, direction: DataDirection, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        if state.streaming.is_some() {
            return fail(answer, EBUSY, "mapped already: dma-unmap first");
        }
        let mapping = Mapping::new(self.dev, self.buffer.clone(), 0, PAGE_SIZE, direction)?;
        writeln!(answer, "{:#x}", mapping.iova().0)?;
        state.streaming = Some(mapping);
        Ok(())
    }

    fn dma_unmap(&self, answer: &mut Answer) -> Result {
        match self.state.lock().streaming.take() {
            Some(mapping) => Ok(writeln!(answer, "unmapped {:#x}", mapping.iova().0)?),
            None => fail(answer, ENOENT, "nothing is mapped: dma-map first"),
        }
    }

    fn about(&self, answer: &mut Answer) -> Result {
        let domain = PagingDomain::new(self.dev, self.buffer.clone())?;
        match domain.aperture() {
            Some(range) => write!(answer, "{:#x} to {:#x}", range.first().0, range.last().0)?,
            None => write!(answer, "no address")?,
        }
        for (capability, name) in [
            (Capability::EnforceCoherency, "enforces coherency"),
            (Capability::PreBootProtection, "protection before boot"),
            (Capability::Ats, "ATS"),
        ] {
            if is_capable(self.dev, capability) {
                write!(answer, ", {name}")?;
            }
        }
        Ok(writeln!(answer)?)
    }

    fn attach(&self, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        if state.attachment.is_some() {
            return fail(answer, EBUSY, "attached already");
        }
        let domain = PagingDomain::new(self.dev, self.buffer.clone())?;
        state.attachment = Some(Attachment::new(domain)?);
        Ok(writeln!(answer, "attached")?)
    }

    fn detach(&self, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        if state.attachment.is_none() {
            return fail(answer, ENOENT, "not attached");
        }
        state.leave_domain();
        Ok(writeln!(answer, "detached")?)
    }

    fn coherent(&self, answer: &mut Answer) -> Result {
        let domain = self.state.lock().domain(answer)?;
        let what = if domain.enforce_cache_coherency() {
            "accesses snoop"
        } else {
            "accesses need not snoop"
        };
        Ok(writeln!(answer, "{what}")?)
    }

    fn map(&self, range: IovaRange, prot: Prot, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        let domain = state.domain(answer)?;
        let mut region = match Region::new(domain, range) {
            Err(EBUSY) => return fail(answer, EBUSY, "part of that range is taken"),
            Err(EINVAL) => return fail(answer, EINVAL, "not made of whole pages"),
            other => other?,
        };
        let size = self.buffer.size() as u64;
        let mut next = Some(range);
        while let Some(rest) = next {
            let len = length(rest).min(size);
            let part = IovaRange::with_len(rest.first(), len).ok_or(EINVAL)?;
            region.map(part, 0, prot)?;
            next = part
                .last()
                .0
                .checked_add(1)
                .and_then(|first| IovaRange::new(Iova(first), rest.last()));
        }
        let Some(slot) = state.regions.iter_mut().find(|slot| slot.is_none()) else {
            return fail(answer, ENOSPC, "too many ranges are mapped");
        };
        *slot = Some(region);
        Ok(writeln!(answer, "mapped {:#x} bytes", length(range))?)
    }

    fn unmap(&self, range: IovaRange, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        for slot in &mut state.regions {
            let Some(region) = slot
                .as_mut()
                .filter(|region| region.range().contains(&range))
            else {
                continue;
            };
            let unmapped = region.unmap(range)?;
            // The range goes back once nothing is mapped in it.
            slot.take_if(|region| region.is_empty());
            return Ok(writeln!(answer, "unmapped {unmapped:#x} bytes")?);
        }
        fail(
            answer,
            ENOENT,
            "not (or not all of) a range that was mapped",
        )
    }

    fn lookup(&self, iova: Iova, answer: &mut Answer) -> Result {
        let state = self.state.lock();
        let domain = state.domain(answer)?;
        let page = whole_page(iova)?;
        let mut regions = state.regions.iter().flatten();
        let found = match regions.find(|region| region.range().contains(&page)) {
            Some(region) => region.lookup(iova)?,
            // Nobody's: taken for the moment, so that it stays nobody's.
            None => Region::new(domain, page)?.lookup(iova)?,
        };
        match found {
            Some(phys) => {
                let offset = phys.0.wrapping_sub(self.buffer.phys().0);
                Ok(writeln!(answer, "buffer + {offset:#x}")?)
            }
            None => Ok(writeln!(answer, "not mapped")?),
        }
    }

    fn write(&self, iova: Iova, answer: &mut Answer) -> Result {
        let mut state = self.state.lock();
        for word in self.buffer.words() {
            word.store(BACKGROUND, Relaxed);
        }
        let outcome = state.device.write(iova, self.buffer.phys());
        // The device compares with the start of the buffer; we look at all of it.
        match outcome {
            Outcome::Arrived | Outcome::Elsewhere => write!(answer, "accepted")?,
            Outcome::Refused => write!(answer, "refused")?,
            Outcome::Unknown(result) => {
                writeln!(answer, "the device says {result:#x}")?;
                return Err(EIO);
            }
        }
        let words = self.buffer.words();
        let mut changed = (0..words.len())
            .zip(words)
            .filter(|(_, word)| word.load(Relaxed) != BACKGROUND);
        match (changed.next(), changed.next()) {
            (None, _) => writeln!(answer, ", buffer unchanged")?,
            (Some((index, word)), None) if word.load(Relaxed) == WORD => writeln!(
                answer,
                ", buffer + {:#x} written",
                index.wrapping_mul(size_of::<u32>())
            )?,
            _ => writeln!(answer, ", buffer damaged")?,
        }
        Ok(())
    }

    fn hold(&self, milliseconds: u64, answer: &mut Answer) -> Result {
        {
            let _guard = self.interrupts.lock();
            for _ in 0..milliseconds {
                udelay(Delta::from_millis(1));
            }
        }
        Ok(writeln!(answer, "held for {milliseconds} ms")?)
    }

    fn stress(&self, rounds: u64, answer: &mut Answer) -> Result {
        // The lock is not held meanwhile: others run commands at the same time.
        let domain = self.state.lock().domain(answer)?;
        let tally = stress::run(&domain, rounds)?;
        // Runs at the same time overwrite each other's answer: the log has all of them.
        dev_info!(
            self.dev,
            "stress: {rounds} rounds on slice {}\n",
            tally.slice
        );
        Ok(writeln!(
            answer,
            "{} translations verified",
            tally.verified
        )?)
    }
}

impl<'bound> State<'bound> {
    /// Our own domain.
    fn domain(&self, answer: &mut Answer) -> Result<Arc<PagingDomain<'bound>>> {
        match &self.attachment {
            Some(attachment) => Ok(attachment.domain().clone()),
            None => fail(answer, ENOENT, "not attached: attach first"),
        }
    }

    /// Puts the device back in the DMA API's domain, and forgets ours.
    fn leave_domain(&mut self) {
        self.attachment = None;
        self.regions = [const { None }; MAX_REGIONS];
    }
}

impl Commands for Tester<'_> {
    const MODULE: &'static ThisModule = iommu_ext::this_module!(crate::DmaTest);

    fn run(&self, line: &str, answer: &mut Answer) -> Result {
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().unwrap_or("");
        match [next(), next(), next(), next(), next()] {
            ["dma-map", may, "", "", ""] => self.dma_map(direction(may, answer)?, answer),
            ["dma-unmap", "", "", "", ""] => self.dma_unmap(answer),
            ["about", "", "", "", ""] => self.about(answer),
            ["attach", "", "", "", ""] => self.attach(answer),
            ["detach", "", "", "", ""] => self.detach(answer),
            ["coherent", "", "", "", ""] => self.coherent(answer),
            ["map", iova, len, may, ""] => {
                self.map(range(iova, len, answer)?, prot(may, answer)?, answer)
            }
            ["unmap", iova, len, "", ""] => self.unmap(range(iova, len, answer)?, answer),
            ["lookup", iova, "", "", ""] => self.lookup(Iova(number(iova, answer)?), answer),
            ["write", iova, "", "", ""] => self.write(Iova(number(iova, answer)?), answer),
            ["hold", time, "", "", ""] => match number(time, answer)? {
                time @ 1..=MAX_HOLD => self.hold(time, answer),
                _ => fail(answer, EINVAL, "hold: 1 to 5000 milliseconds"),
            },
            ["stress", rounds, "", "", ""] => match number(rounds, answer)? {
                rounds @ 1..=MAX_ROUNDS => self.stress(rounds, answer),
                _ => fail(answer, EINVAL, "between 1 and 1000000 rounds"),
            },
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

/// Says why a command fails.
fn fail<T>(answer: &mut Answer, error: Error, why: &str) -> Result<T> {
    writeln!(answer, "{error:?}: {why}")?;
    Err(error)
}

fn number(word: &str, answer: &mut Answer) -> Result<u64> {
    let (digits, radix) = match word.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    let parsed = digits.chars().try_fold(0_u64, |number, digit| {
        let digit = digit.to_digit(radix)?;
        number
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))
    });
    match parsed {
        Some(number) if !digits.is_empty() => Ok(number),
        _ => fail(
            answer,
            EINVAL,
            "not a number (decimal, or 0x and hexadecimal)",
        ),
    }
}

fn range(iova: &str, len: &str, answer: &mut Answer) -> Result<IovaRange> {
    let iova = number(iova, answer)?;
    let len = number(len, answer)?;
    match IovaRange::with_len(Iova(iova), len) {
        Some(range) if len <= MAX_LEN => Ok(range),
        _ => fail(
            answer,
            EINVAL,
            "the length is 0, above 4 GiB, or past the last address",
        ),
    }
}

fn prot(word: &str, answer: &mut Answer) -> Result<Prot> {
    match word {
        "read" => Ok(Prot::Read),
        "write" => Ok(Prot::Write),
        "read-write" => Ok(Prot::ReadWrite),
        _ => fail(answer, EINVAL, "the device may: read-write, read or write"),
    }
}

fn direction(word: &str, answer: &mut Answer) -> Result<DataDirection> {
    Ok(match prot(word, answer)? {
        Prot::Read => DataDirection::ToDevice,
        Prot::Write => DataDirection::FromDevice,
        Prot::ReadWrite => DataDirection::Bidirectional,
    })
}

/// The page of an address.
fn whole_page(iova: Iova) -> Result<IovaRange> {
    let mask = (PAGE_SIZE as u64).wrapping_sub(1);
    IovaRange::new(Iova(iova.0 & !mask), Iova(iova.0 | mask)).ok_or(EINVAL)
}

/// The size of a range, in bytes; of all 64 bits, one less.
fn length(range: IovaRange) -> u64 {
    range
        .last()
        .0
        .wrapping_sub(range.first().0)
        .saturating_add(1)
}
