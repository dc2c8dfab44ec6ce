// SPDX-License-Identifier: GPL-2.0

//! Devices with a TLB of their own, and how they answer when they are told to drop something.

use crate::{
    ats::Ats,
    invalidate::descriptor::Descriptor,
    machine::{
        Machine,
        Running, //
    },
    random::Random,
    space::{
        Mapping,
        Space, //
    }, //
};
use iommu_core::{
    ats::DeviceTlb,
    endpoint::Endpoint,
    group::{
        Group,
        Target, //
    },
    route::Route, //
};
use iommu_ext::gather::Gather;
use kernel::{
    machine,
    prelude::*,
    print,
    str::CString,
    sync::Arc,
    time::waited, //
};
use std::sync::Mutex;
use vtd_model::{
    config::Config,
    device::Conduct,
    fault::Reason, //
};

const SID: u16 = 0x0048;
/// Requester ID of the [neighbour](Setup::neighbour).
const OTHER: u16 = 0x0050;

/// A device that keeps translations of all that is mapped in its domain.
struct Setup {
    space: Space,
    random: Random,
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    running: Running,
    machine: Machine,
}

impl Setup {
    fn new(seed: u64) -> Self {
        print::capture();
        let config = Config {
            device_tlbs: true,
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let mut ids = KVec::new();
        ids.push(SID.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:00:09.0").unwrap();
        let tlb = Ats::new(&machine, SID, 4, false).device_tlb();
        let endpoint = running.instance.probe(name, ids, Some(tlb), None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let mut setup = Self {
            space: Space::new(&endpoint),
            random: Random::new(seed),
            group,
            endpoint,
            running,
            machine,
        };
        for _ in 0..12 {
            setup.space.map(&mut setup.random);
        }
        setup.attach(Target::Domain(setup.space.domain.clone()));
        for mapping in &setup.space.mappings {
            // Until the device has asked for it: it may also do without.
            for _ in 0..8 {
                let _ = setup.reach(mapping);
            }
        }
        setup
    }

    /// Another device behind the unit, alone in a group, which leads nowhere yet.
    fn neighbour(&self, tlb: Option<DeviceTlb>) -> (Arc<Endpoint>, Arc<Group>) {
        let mut ids = KVec::new();
        ids.push(OTHER.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:00:0a.0").unwrap();
        let endpoint = self.running.instance.probe(name, ids, tlb, None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        (endpoint, group)
    }

    fn attach(&self, target: Target) {
        let attached = self.group.attach(&self.endpoint, Route::Rid, target);
        attached.unwrap();
    }

    /// Where the device gets with the address.
    fn reach(&self, mapping: &Mapping) -> Option<u64> {
        let dma = |write| self.machine.hardware.dma(SID, mapping.iova, write).ok();
        dma(false).or_else(|| dma(true))
    }

    /// Unmaps something. What can be reached of it after that?
    fn unmap(&mut self) -> Option<u64> {
        let mut gather = Gather::new();
        let gone = self.space.unmap(&mut self.random, &mut gather)?;
        self.space.domain.sync(&mut gather);
        (0..8).find_map(|_| self.reach(&gone))
    }

    fn end(self) {
        self.group.leave(&self.endpoint, &Target::Blocked);
        self.running.instance.release(&self.endpoint);
    }
}

#[test]
fn a_device_is_waited_for() {
    for seed in 1..20 {
        for conduct in [Conduct::Prompt, Conduct::Slow, Conduct::Confused] {
            let mut setup = Setup::new(seed);
            setup.machine.hardware.set_conduct(SID, conduct);
            for _ in 0..8 {
                assert_eq!(setup.unmap(), None, "seed {seed}, {conduct:?}");
            }
            setup.end();
        }
    }
}

/// An answer to what was not asked is told, and is no answer to what was.
#[test]
fn an_answer_to_something_else_is_told() {
    let mut setup = Setup::new(5);
    setup.machine.hardware.set_conduct(SID, Conduct::Confused);
    while setup.machine.hardware.errors() == 0 {
        assert_eq!(setup.unmap(), None);
    }
    setup.end();
}

/// Without leave to do so a device neither gets a translation nor is believed that it has one.
#[test]
fn a_device_is_believed_while_it_may_translate_only() {
    for seed in 1..5 {
        let setup = Setup::new(seed);
        let kept = setup.space.mappings.clone();
        // The context entry goes, but the device is not told.
        setup.machine.hardware.set_conduct(SID, Conduct::Silent);
        setup.attach(Target::Identity);
        setup.machine.hardware.enable_device_tlb(SID, 4);
        for mapping in &kept {
            for _ in 0..8 {
                let to = setup.machine.hardware.dma(SID, mapping.iova, false);
                // What comes untranslated passes, as far as there is memory.
                let passes = match to {
                    Ok(to) => to == mapping.iova,
                    Err(fault) => fault.reason == Reason::AddressWidth,
                };
                assert!(passes, "{to:x?}");
            }
        }
        setup.machine.hardware.disable_device_tlb(SID);
        setup.end();
    }
}

/// It costs neither the unit its queue nor other devices theirs, and is told by name.
#[test]
fn only_the_device_that_does_not_answer_is_given_up() {
    for (seed, names_it) in (1..20).map(|seed| (seed, seed % 2 == 0)) {
        let mut setup = Setup::new(seed);
        setup.machine.hardware.name_silent(names_it);
        let tlb = Ats::new(&setup.machine, OTHER, 4, false).device_tlb();
        let (other, group) = setup.neighbour(Some(tlb));
        let target = Target::Domain(setup.space.domain.clone());
        group.attach(&other, Route::Rid, target).unwrap();

        setup.machine.hardware.set_conduct(SID, Conduct::Silent);
        print::captured();
        for _ in 0..4 {
            assert_eq!(setup.unmap(), None, "seed {seed}");
        }
        let told: Vec<String> = print::captured()
            .into_iter()
            .filter(|line| line.contains("its TLB cannot be invalidated"))
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("0000:00:09.0"));
        let before = setup.running.unit.counts().device_tlb;
        assert_eq!(setup.unmap(), None);
        // The other one is still asked, and only that.
        assert_eq!(setup.running.unit.counts().device_tlb - before, 1);
        assert!(setup.machine.hardware.has_device_tlb(OTHER));

        group.leave(&other, &Target::Blocked);
        setup.running.instance.release(&other);
        drop((other, group));
        setup.end();
    }
}

/// A device that has been asked before, and has answered, is not among those that may be to blame.
#[test]
fn who_has_answered_is_not_suspected() {
    for seed in 1..10 {
        let mut setup = Setup::new(seed);
        setup.machine.hardware.name_silent(false);
        let tlb = Ats::new(&setup.machine, OTHER, 4, false).device_tlb();
        let (other, group) = setup.neighbour(Some(tlb));
        let space = Space::new(&other);
        let target = Target::Domain(space.domain.clone());
        group.attach(&other, Route::Rid, target).unwrap();

        space.domain.flush_all().unwrap();
        setup.machine.hardware.set_conduct(SID, Conduct::Silent);
        print::captured();
        assert_eq!(setup.unmap(), None, "seed {seed}");
        let told = print::captured().concat();
        assert!(told.contains("requester 0x0048"), "{told}");
        assert!(!told.contains("requester 0x0000"), "{told}");

        group.leave(&other, &Target::Blocked);
        setup.running.instance.release(&other);
        drop((space, other, group));
        setup.end();
    }
}

/// A device that never answers may keep what it has. It must not get anywhere with it.
#[test]
fn a_device_that_does_not_answer_gets_nowhere() {
    for seed in 1..5 {
        let mut setup = Setup::new(seed);
        setup.machine.hardware.set_conduct(SID, Conduct::Silent);
        for _ in 0..4 {
            assert_eq!(setup.unmap(), None, "seed {seed}");
        }
        // Nothing is kept for good: nothing can be reached any more.
        setup.end();
    }
}

/// It takes along what others have asked of the unit meanwhile. They ask again.
#[test]
fn requests_of_others_are_not_lost() {
    for seed in 1..150 {
        let mut setup = Setup::new(seed);
        let hardware = setup.machine.hardware.clone();
        let (other, group) = setup.neighbour(None);
        let mut space = Space::new(&other);
        let target = Target::Domain(space.domain.clone());
        group.attach(&other, Route::Rid, target).unwrap();
        let mut random = Random::new(seed);
        space.map(&mut random);
        let reach = move |mapping: &Mapping| {
            let dma = |write| hardware.dma(OTHER, mapping.iova, write).ok();
            dma(false).or_else(|| dma(true))
        };
        assert!(space
            .mappings
            .iter()
            .all(|mapping| reach(mapping).is_some()));

        setup.machine.hardware.set_conduct(SID, Conduct::Silent);
        setup.machine.hardware.set_patience(seed as usize % 5);
        let space = std::sync::Arc::new(Mutex::new(space));
        let interruption = {
            let (space, reach) = (space.clone(), reach.clone());
            move || {
                let mut space = space.lock().unwrap();
                let mut gather = Gather::new();
                let gone = space.unmap(&mut random, &mut gather);
                space.domain.sync(&mut gather);
                let found = gone.and_then(|gone| reach(&gone));
                assert_eq!(found, None, "seed {seed}");
            }
        };
        setup.machine.interrupt(seed as usize % 7, interruption);
        assert_eq!(setup.unmap(), None);

        group.leave(&other, &Target::Blocked);
        setup.running.instance.release(&other);
        drop((space, other, group));
        setup.end();
    }
}

/// The unit waits for it far longer than anyone may with interrupts off: no CPU does, whether it is
/// its own request or not, and neither the unit nor the device is lost, but for the device's TLB.
#[test]
fn nobody_waits_long_for_a_device_that_does_not_answer() {
    for (seed, others_wait) in (1..9).map(|seed| (seed, seed % 2 == 0)) {
        let mut setup = Setup::new(seed);
        let hardware = setup.machine.hardware.clone();
        hardware.set_conduct(SID, Conduct::Silent);
        hardware.set_patience(usize::MAX);
        let unit = setup.running.unit.clone();
        let flush = move || unit.queue.submit(&[Descriptor::IotlbGlobal]);
        let flushed = std::sync::Arc::new(Mutex::new(None));
        if others_wait {
            let (flush, flushed) = (flush.clone(), flushed.clone());
            let result = move || *flushed.lock().unwrap() = Some(flush());
            setup.machine.interrupt(seed as usize * 10, result);
        }
        print::captured();
        let before = waited().as_millis();
        machine::disable_interrupts();
        let mut gather = Gather::new();
        let gone = setup.space.unmap(&mut setup.random, &mut gather);
        setup.space.domain.sync(&mut gather);
        machine::restore_interrupts();
        let took = waited().as_millis() - before;
        println!("seed {seed}: {took} ms");
        assert!((500..2000).contains(&took), "seed {seed}: {took} ms");
        let told = print::captured().concat();
        assert!(told.contains("its TLB cannot be invalidated"), "{told}");
        assert_eq!(gone.and_then(|gone| setup.reach(&gone)), None);
        let expected = others_wait.then_some(Ok(()));
        assert_eq!(*flushed.lock().unwrap(), expected);
        assert_eq!(flush(), Ok(()));
        assert_eq!(setup.unmap(), None);
        assert!(!setup.running.instance.is_lost());
        drop(flush);
        setup.end();
    }
}

/// All of them are found in one go, and those that answer keep their ATS.
#[test]
fn several_devices_that_do_not_answer_take_no_longer() {
    const SIDS: [u16; 8] = [0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67];
    for seed in 1..6 {
        let mut setup = Setup::new(seed);
        let target = Target::Domain(setup.space.domain.clone());
        let mut others = Vec::new();
        for sid in SIDS {
            let mut ids = KVec::new();
            ids.push(sid.into(), GFP_KERNEL).unwrap();
            let name = CString::try_from(c"0000:00:0c.0").unwrap();
            let tlb = Ats::new(&setup.machine, sid, 4, false).device_tlb();
            let instance = &setup.running.instance;
            let other = instance.probe(name, ids, Some(tlb), None).unwrap();
            let group = Group::new().unwrap();
            group.join(other.clone()).unwrap();
            group.attach(&other, Route::Rid, target.clone()).unwrap();
            others.push((other, group));
        }
        let hardware = setup.machine.hardware.clone();
        hardware.set_patience(usize::MAX);
        for sid in &SIDS[..6] {
            hardware.set_conduct(*sid, Conduct::Silent);
        }
        print::captured();
        let before = waited().as_millis();
        assert_eq!(setup.unmap(), None);
        let took = waited().as_millis() - before;
        println!("seed {seed}: {took} ms");
        assert!((500..2000).contains(&took), "seed {seed}: {took} ms");
        let told = print::captured().concat();
        let given_up = told.matches("its TLB cannot be invalidated").count();
        assert_eq!(given_up, 6, "{told}");
        let before = waited().as_millis();
        assert_eq!(setup.unmap(), None);
        assert!(waited().as_millis() - before < 100);
        for (other, group) in &others {
            group.leave(other, &Target::Blocked);
            setup.running.instance.release(other);
        }
        drop((others, target));
        setup.end();
    }
}
