// SPDX-License-Identifier: GPL-2.0

//! A machine with one device, which is in a domain where something is mapped.

use crate::{
    machine::{
        Machine,
        Running, //
    },
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
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};
use vtd_model::config::Config;

/// The device.
pub(crate) const SID: u16 = 0x00f8;

/// Dropped from the top down.
pub(crate) struct OneDevice {
    pub(crate) space: Space,
    pub(crate) group: Arc<Group>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) running: Running,
    pub(crate) machine: Machine,
    pub(crate) random: Random,
}

impl OneDevice {
    /// Maps something `mappings` times, and attaches the device.
    pub(crate) fn new(config: Config, mappings: usize) -> Self {
        let machine = Machine::new(config);
        let running = Running::new(&machine, &config);
        let mut ids = KVec::new();
        ids.push(SID.into(), GFP_KERNEL).unwrap();
        let name = CString::try_from(c"0000:00:1f.0").unwrap();
        let endpoint = running.instance.probe(name, ids, None, None).unwrap();
        let group = Group::new().unwrap();
        group.join(endpoint.clone()).unwrap();
        let mut space = Space::new(&endpoint);
        let mut random = Random::new(config.seed);
        for _ in 0..mappings {
            space.map(&mut random);
        }
        let this = Self {
            space,
            group,
            endpoint,
            running,
            machine,
            random,
        };
        this.attach(&this.space);
        this
    }

    /// The device goes to another domain, or back to its own.
    pub(crate) fn attach(&self, space: &Space) {
        let target = Target::Domain(space.domain.clone());
        let attached = self.group.attach(&self.endpoint, Route::Rid, target);
        attached.unwrap();
    }

    /// The device reads at `address`. Says where that leads.
    pub(crate) fn read(&self, address: u64) -> Option<u64> {
        self.machine.hardware.dma(SID, address, false).ok()
    }

    /// The device goes.
    fn leave(&self) {
        self.group.leave(&self.endpoint, &Target::Blocked);
        self.running.instance.release(&self.endpoint);
    }

    /// The device goes, then its domain, then the unit.
    pub(crate) fn end(self) {
        self.leave();
    }

    /// As [`end`](Self::end), where the unit may still use all that it was told of, which stays.
    pub(crate) fn end_in_use(self) {
        self.leave();
        let Self {
            space,
            running,
            machine,
            ..
        } = self;
        drop(space);
        // The unit is still on.
        let _ = machine.hardware.dma(SID, 0x1000, false);
        drop(running);
        machine.forget();
    }
}
