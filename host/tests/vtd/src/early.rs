// SPDX-License-Identifier: GPL-2.0

//! Devices with a TLB while translation is off: before it is on for the first time, and in sleep. The
//! model refuses ATS, and requests to device TLBs, in that state.

use crate::{
    ats::Ats,
    machine::{
        Machine,
        Running, //
    },
    power,
    random::Random,
    space::Space, //
};
use iommu_core::{
    endpoint::Endpoint,
    group::{
        Group,
        Target, //
    },
    route::Route, //
};
use iommu_ext::{
    gather::Gather,
    power::CoreOperations, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        rcu,
        Arc, //
    }, //
};
use vtd_model::config::Config;

/// A device with a TLB.
struct Device {
    sid: u16,
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    ats: Arc<Ats>,
}

impl Device {
    fn new(machine: &Machine, running: &Running, sid: u16) -> Self {
        let mut ids = KVec::new();
        ids.push(sid.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:01:00.0").unwrap();
        let ats = Ats::new(machine, sid, 0, false);
        let tlb = ats.clone().device_tlb();
        let endpoint = running.instance.probe(name, ids, Some(tlb), None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        Self {
            sid,
            group,
            endpoint,
            ats,
        }
    }

    fn attach(&self, target: Target) {
        let attached = self.group.attach(&self.endpoint, Route::Rid, target);
        attached.unwrap();
    }

    fn leave(&self, running: &Running) {
        self.group.leave(&self.endpoint, &Target::Blocked);
        running.instance.release(&self.endpoint);
        assert!(!self.ats.is_on());
    }
}

/// Unmaps something that the devices may have cached, and looks that none reaches it.
fn unmap(machine: &Machine, space: &mut Space, random: &mut Random, devices: &[&Device]) {
    space.map(random);
    for device in devices {
        for mapping in &space.mappings {
            for _ in 0..4 {
                let _ = machine.hardware.dma(device.sid, mapping.iova, false);
            }
        }
    }
    let mut gather = Gather::new();
    let Some(gone) = space.unmap(random, &mut gather) else {
        return;
    };
    space.domain.sync(&mut gather);
    for device in devices {
        for _ in 0..4 {
            let found = machine.hardware.dma(device.sid, gone.iova, false);
            assert!(found.is_err(), "{:#x} is reached: {found:x?}", gone.iova);
        }
    }
}

#[test]
fn ats_waits_for_translation() {
    for seed in 1..20 {
        let config = Config {
            device_tlbs: true,
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::start(&machine, &config);
        let mut random = Random::new(seed);
        let [asks, comes_back, goes, is_blocked] =
            [0x100, 0x200, 0x300, 0x400].map(|sid| Device::new(&machine, &running, sid));
        let all = [&asks, &comes_back, &goes, &is_blocked];
        let mut space = Space::new(&asks.endpoint);
        let target = || Target::Domain(space.domain.clone());
        for device in all {
            device.attach(target());
        }
        is_blocked.attach(Target::Blocked);
        comes_back.attach(Target::Blocked);
        comes_back.attach(target());
        goes.leave(&running);
        assert!(all.iter().all(|device| !device.ats.is_on()));
        // Nobody is to be told, the unit apart.
        unmap(&machine, &mut space, &mut random, &[]);

        running.translate();
        assert!(asks.ats.is_on() && comes_back.ats.is_on());
        assert!(!is_blocked.ats.is_on() && !goes.ats.is_on());
        for _ in 0..10 {
            unmap(&machine, &mut space, &mut random, &[&asks, &comes_back]);
        }
        // Who comes later need not wait.
        is_blocked.attach(Target::Domain(space.domain.clone()));
        assert!(is_blocked.ats.is_on());
        for device in [&asks, &comes_back, &is_blocked] {
            device.leave(&running);
        }
    }
}

#[test]
fn who_waits_need_not_see_translation() {
    let config = Config {
        device_tlbs: true,
        ..Config::default()
    };
    let machine = Machine::new(config);
    let running = Running::start(&machine, &config);
    // What turns ATS on knows the hardware.
    let users = || std::sync::Arc::strong_count(&machine.hardware);
    let before = users();
    let device = Device::new(&machine, &running, 0x100);
    let space = Space::new(&device.endpoint);
    device.attach(Target::Domain(space.domain.clone()));
    assert!(users() > before);
    device.leave(&running);
    drop(device);
    drop(space);
    rcu::barrier();
    // The instance has forgotten the device and its domain.
    assert_eq!(running.instance.domains(), 0);
    assert_eq!(users(), before);
}

/// A device keeps its ATS while the machine sleeps, as the PCI core has it, but asks nothing; and it is
/// asked nothing before translation is on again.
#[test]
fn sleep_with_ats() {
    for seed in 1..20 {
        let config = Config {
            device_tlbs: true,
            seed,
            ..Config::default()
        };
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let mut random = Random::new(seed);
        let device = Device::new(&machine, &running, 0x100);
        let mut space = Space::new(&device.endpoint);
        device.attach(Target::Domain(space.domain.clone()));
        let mut units = KVec::new();
        units.push(running.unit.clone(), GFP_KERNEL).unwrap();
        let power = power::register(units).unwrap();
        for _ in 0..3 {
            unmap(&machine, &mut space, &mut random, &[&device]);
            machine.hardware.set_devices_asleep(true);
            power.operations().suspend().unwrap();
            machine.hardware.lose_power();
            power.operations().resume();
            machine.hardware.set_devices_asleep(false);
            assert!(device.ats.is_on());
            unmap(&machine, &mut space, &mut random, &[&device]);
        }
        drop(power);
        device.leave(&running);
    }
}
