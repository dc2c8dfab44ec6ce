// SPDX-License-Identifier: GPL-2.0

//! What the core asks of a unit: context entries and invalidations.

use crate::{
    invalidate::{
        descriptor::{
            cover,
            Block,
            Descriptor, //
        },
        queue::{
            Attempt,
            Outcome, //
        }, //
    },
    quirks,
    tables::context::{
        ContextEntry,
        DomainId, //
    },
    unit::Unit, //
};
use iommu_core::{
    ats::{
        DeviceTlbs,
        Requests,
        Target, //
    },
    driver::{
        Driver,
        Limits,
        Scope, //
    },
    endpoint::Endpoint,
    instance::Tag,
    quirks::{
        Applied,
        Function, //
    },
    route::{
        Entry,
        Route, //
    },
    table::{
        self,
        PageTable, //
    }, //
};
use iommu_ext::addr::{
    Iova,
    IovaRange, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pgtable::{
    fmt::vtd_second,
    table::Config, //
};

/// The tag of untranslated DMA.
const IDENTITY: Tag = Tag(DomainId::PASSING.value() as u32);

/// Addresses that the CPUs take for interrupts (VT-d 3.14): writes there are not translated.
const MSI_WINDOW: Option<IovaRange> = IovaRange::new(Iova(0xfee0_0000), Iova(0xfeef_ffff));

impl Unit {
    /// What the core may expect of the unit.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            first_tag: IDENTITY.0 + 1,
            // A context entry holds 16 bits, whatever the register says. There are 16 at least.
            last_tag: self.features.domain_ids.saturating_sub(1).min(0xffff),
            // Without pass-through an identity domain would be a table of all memory, also of what is
            // plugged in later. Such units are old; their devices get DMA domains, as they do from
            // the kernel's own driver.
            identity: self.features.pass_through.then_some(IDENTITY),
            cache_coherent: true,
            snoop_control: self.features.snoop_control,
            device_tlbs: self.features.device_tlbs,
            flush_on_map: self.flush_on_map(),
            msi_window: MSI_WINDOW,
        }
    }

    fn flush_on_map(&self) -> bool {
        self.features.caching_mode || self.features.write_buffer
    }

    /// Levels of the tables we make: four (48 bits) if the unit can walk them, as every level
    /// costs a read per walk and 48 bits are more than any machine has memory. Else five, else
    /// three.
    fn levels(&self) -> u8 {
        [4, 5, 3]
            .into_iter()
            .find(|levels| self.features.has_levels(*levels))
            .unwrap_or(4)
    }

    /// The deepest tables that the unit can walk.
    pub(crate) fn most_levels(&self) -> u8 {
        (3..=5)
            .rev()
            .find(|levels| self.features.has_levels(*levels))
            .unwrap_or(4)
    }

    /// The context entry that says `entry`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such context entry.
    fn context_entry(&self, entry: &Entry<'_>) -> Result<ContextEntry> {
        match *entry {
            Entry::Blocked => Ok(ContextEntry::ABSENT),
            Entry::Identity => ContextEntry::pass_through(self.most_levels(), DomainId::PASSING),
            Entry::Table {
                table,
                tag,
                device_tlb,
            } => {
                let did = DomainId::of(tag).ok_or(EINVAL)?;
                if device_tlb {
                    ContextEntry::second_stage_and_device_tlb(table, did)
                } else {
                    ContextEntry::second_stage(table, did)
                }
            }
        }
    }

    /// What drops all or some pages from a device's TLB.
    fn device_tlb_request(&self, target: &Target<'_>, block: Block) -> Descriptor {
        let physical = if self.features.device_tlb_throttling {
            target.tlb.physical_id()
        } else {
            0
        };
        Descriptor::DeviceTlb {
            // CAST: Requester IDs have 16 bits.
            sid: target.id as u16,
            physical: physical as u16,
            queue_depth: target.tlb.queue_depth(),
            block,
        }
    }
}

impl Unit {
    /// Has the unit refuse what a device has in a TLB of its own, and waits until DMA that used it
    /// has drained.
    ///
    /// # Errors
    ///
    /// As [`Driver::invalidate`].
    fn refuse_device_tlb(&self, sid: u16) -> Result {
        let id = sid.into();
        let context = self.root.context(bus(id)?).ok_or(EIO)?;
        let entry = context.refuse_device_tlb(devfn(id)).ok_or(EIO)?;
        let did = entry.domain_id();
        self.queue.submit(&[
            Descriptor::ContextDevice { did, sid },
            Descriptor::IotlbDomain(did),
        ])
    }
}

/// Bus number of a requester ID.
fn bus(id: u32) -> Result<u8> {
    Ok(u8::try_from(id >> 8)?)
}

/// Device and function number of a requester ID.
fn devfn(id: u32) -> u8 {
    // CAST: The low eight bits are meant.
    id as u8
}

impl Driver for Unit {
    fn quirks(&self, function: &Function<'_>) -> Option<Applied> {
        quirks::of_function(function, &self.chipset, self.base)
    }

    fn probe(&self, endpoint: &Endpoint) -> Result {
        endpoint
            .ids()
            .iter()
            .try_for_each(|id| self.root.prepare(bus(*id)?))
    }

    fn alloc_table(&self, _endpoint: &Endpoint) -> Result<Arc<dyn PageTable>> {
        let features = &self.features;
        let levels = self.levels();
        vtd_second::new(&Config {
            levels,
            // A unit may take wider addresses than tables of these levels translate.
            input_bits: features.address_bits.min(vtd_second::input_bits(levels)),
            output_bits: self.host_address_bits,
            page_sizes: features.page_sizes,
            coherent: features.coherent,
            snoop_control: features.snoop_control,
            flush_on_map: self.flush_on_map(),
            numa: self.numa,
        })
    }

    fn prepare(&self, _endpoint: &Endpoint, route: Route, table: &table::Descriptor) -> Result {
        let features = &self.features;
        let walkable = route == Route::Rid
            && table.format == vtd_second::NAME
            && features.has_levels(table.levels)
            && table.input_bits <= features.address_bits
            && table.page_sizes.0 & !features.page_sizes.0 == 0
            && (features.snoop_control || !table.snoop_control)
            && (features.coherent || !table.coherent)
            && (table.flush_on_map || !self.flush_on_map());
        if walkable {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    fn set_route(&self, ids: &[u32], _route: Route, entry: Entry<'_>) {
        // `prepare` has checked that there is such an entry; if not, nothing passes.
        let entry = self.context_entry(&entry).unwrap_or(ContextEntry::ABSENT);
        for &id in ids {
            let context = bus(id).ok().and_then(|bus| self.root.context(bus));
            let Some(context) = context else {
                // `probe` has made the table of every bus, so that this is an ID without entry.
                continue;
            };
            let old = context.replace(devfn(id), entry);
            // What was absent is cached in caching mode only, and then as domain 0, which is what
            // an absent entry says (6.1).
            if old.is_present() || self.features.caching_mode {
                // CAST: A requester ID has 16 bits: it has a context table.
                let flush = Descriptor::ContextDevice {
                    did: old.domain_id(),
                    sid: id as u16,
                };
                if self.queue.submit(&[flush]).is_err() {
                    // The old entry may stay in use. No later invalidation may then succeed, or
                    // what the entry leads to would be freed.
                    self.queue.give_up("a context entry may be stale");
                }
            }
        }
        if self.flush_write_buffer().is_err() {
            self.queue.give_up("a context entry may not be seen");
        }
    }

    fn invalidate(&self, tag: Tag, scope: &Scope, device_tlbs: DeviceTlbs<'_>) -> Result {
        let did = DomainId::of(tag).ok_or(EINVAL)?;
        if self.features.write_buffer {
            self.flush_write_buffer()
                .inspect_err(|_| self.queue.give_up("the tables may not be seen"))?;
        }
        // Most unmaps are of one block, and most devices have no TLB.
        if let (Scope::Range(range, caches), Some(max_order)) =
            (*scope, self.features.page_selective)
        {
            let block = Block::of(range, max_order).filter(|_| device_tlbs.is_empty());
            if let Some(block) = block {
                let request = Descriptor::IotlbPages { did, block, caches };
                return match self.queue.try_one(request)? {
                    Attempt::Done => Ok(()),
                    Attempt::TimedOut => self.invalidate_all(did, scope, DeviceTlbs::none()),
                };
            }
        }
        self.invalidate_all(did, scope, device_tlbs)
    }

    fn has_failed(&self) -> bool {
        self.queue.is_given_up()
    }

    fn cut_off(&self) -> bool {
        // No CPU sends anything, or turns the queue on again, from here on.
        self.queue.give_up("the unit is lost");
        self.refuse_all()
    }
}

impl Unit {
    /// Has the unit and the devices drop all that is in `scope`.
    #[inline(never)]
    fn invalidate_all(&self, did: DomainId, scope: &Scope, device_tlbs: DeviceTlbs<'_>) -> Result {
        // Each round but the last finds one more device that is passed over in the next one.
        loop {
            // The unit executes requests for device TLBs after those for the IOTLB that were sent
            // before them (6.5.2.11).
            let devices = device_tlbs.clone();
            let again = devices
                .clone()
                .filter(|target| target.tlb.requests() == Requests::Twice);
            let devices = Iterator::chain(devices, again);
            let outcome = match *scope {
                Scope::Tag => {
                    let devices = devices.map(|tlb| self.device_tlb_request(&tlb, Block::ALL));
                    let iotlb = core::iter::once(Descriptor::IotlbDomain(did));
                    self.queue.send(Iterator::chain(iotlb, devices))?
                }
                Scope::Range(range, caches) => {
                    let block = Block::around(range);
                    let devices = devices.map(|tlb| self.device_tlb_request(&tlb, block));
                    let iotlb = cover(did, range, caches, self.features.page_selective);
                    self.queue.send(Iterator::chain(iotlb, devices))?
                }
            };
            let Outcome::Silent(sid) = outcome else {
                return Ok(());
            };
            let mut is_found = false;
            for target in device_tlbs.clone() {
                // CAST: Requester IDs have 16 bits.
                let id = target.id as u16;
                // Others that have not answered either would only be waited for again.
                if id == sid || self.queue.is_silent(id) {
                    target.give_up(|| self.refuse_device_tlb(id))?;
                    is_found |= id == sid;
                }
            }
            if !is_found {
                // Another CPU has given it up meanwhile, or it is gone.
                self.refuse_device_tlb(sid)?;
            }
        }
    }
}
