// SPDX-License-Identifier: GPL-2.0

//! Groups: the smallest sets of endpoints that are isolated from each other, and where the routes
//! of their members lead.
//!
//! Which endpoints belong together is decided from topology (ACS, aliases) by the front end. Two
//! members may share a requester ID: the entry of that ID goes with the last of them.

use crate::{
    ats::{
        DeviceTlb,
        DeviceTlbs, //
    },
    domain::Domain,
    driver::Scope,
    endpoint::Endpoint,
    route::{
        Entry,
        Route, //
    }, //
};
use iommu_ext::vec::KVecExt;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// Where a route leads.
#[derive(Clone)]
pub enum Target {
    /// Nowhere: no DMA passes.
    Blocked,
    /// To memory, untranslated.
    Identity,
    /// To a domain.
    Domain(Arc<Domain>),
}

/// An endpoint and its routes.
struct Member {
    endpoint: Arc<Endpoint>,
    /// Routes that were ever attached, with where they lead now. The RID's comes first.
    routes: KVec<(Route, Target)>,
}

/// A set of endpoints that cannot be told apart or kept apart.
#[pin_data]
pub struct Group {
    #[pin]
    members: Mutex<KVec<Member>>,
}

impl Group {
    /// An empty group.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                members <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Adds an endpoint, all of whose routes are blocked.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn join(&self, endpoint: Arc<Endpoint>) -> Result {
        let mut routes = KVec::with_capacity(1, GFP_KERNEL)?;
        routes.try_push((Route::Rid, Target::Blocked), GFP_KERNEL)?;
        let mut members = self.members.lock();
        members.try_push(Member { endpoint, routes }, GFP_KERNEL)?;
        Ok(())
    }

    /// Makes a route of a member lead to `target`. Hardware sees the old target or the new one,
    /// at most with DMA blocked in between.
    ///
    /// Attaching to [`Target::Blocked`] cannot fail for a route that was attached before.
    ///
    /// # Errors
    ///
    /// The route leads where it led before, and
    ///
    /// - `ENODEV`: the endpoint is no member.
    /// - `EINVAL`: the instance cannot walk the domain's table, has no such routes, or none that
    ///   pass DMA untranslated.
    /// - `ENOSPC`: the instance has no more tags.
    /// - `ENOMEM`.
    pub fn attach(&self, endpoint: &Arc<Endpoint>, route: Route, target: Target) -> Result {
        let mut members = self.members.lock();
        let member = members
            .iter_mut()
            .find(|member| Arc::ptr_eq(&member.endpoint, endpoint))
            .ok_or(ENODEV)?;
        let current = member.target_mut(route)?;
        let instance = endpoint.instance();
        let driver = instance.driver();

        match &target {
            Target::Blocked => driver.set_route(endpoint.ids(), route, Entry::Blocked),
            Target::Identity => {
                instance.limits().identity.ok_or(EINVAL)?;
                driver.set_route(endpoint.ids(), route, Entry::Identity);
            }
            Target::Domain(domain) => enter(domain, endpoint, route)?,
        }
        let old = core::mem::replace(current, target);
        old.left_by(endpoint, route);
        if let Some(tlb) = endpoint.device_tlb() {
            // No entry lets the device ask any more.
            if !matches!(current, Target::Domain(_)) || tlb.is_refused() {
                tlb.disable();
            }
        }
        Ok(())
    }

    /// Removes a member. Its requester IDs are blocked, or, if `after` is [`Target::Identity`]
    /// and the instance can do that, pass DMA to memory until the unit is turned off. An ID stays
    /// as it is while another member that shares it leads to the same target, or if the one that
    /// goes has led nowhere.
    pub fn leave(&self, endpoint: &Arc<Endpoint>, after: &Target) {
        let mut members = self.members.lock();
        let instance = endpoint.instance();
        let Some(index) = members
            .iter()
            .position(|member| Arc::ptr_eq(&member.endpoint, endpoint))
        else {
            return;
        };
        for &id in endpoint.ids() {
            let Some(leaving) = members.get(index) else {
                return;
            };
            let passes = match after {
                Target::Identity => instance.let_pass(id),
                _ => instance.passes(id),
            };
            for (route, target) in leaving.routes.iter() {
                let shared = members.iter().any(|other| {
                    !Arc::ptr_eq(&other.endpoint, endpoint)
                        && other.endpoint.ids().contains(&id)
                        && (matches!(target, Target::Blocked) || other.leads_to(*route, target))
                });
                if !shared {
                    let after = match route {
                        Route::Rid if passes => Entry::Identity,
                        _ => Entry::Blocked,
                    };
                    instance.driver().set_route(&[id], *route, after);
                }
            }
        }
        if let Ok(leaving) = members.remove(index) {
            for (route, target) in leaving.routes {
                target.left_by(endpoint, route);
            }
        }
        if let Some(tlb) = endpoint.device_tlb() {
            tlb.disable();
        }
    }
}

/// Makes a route lead to a domain. The order of steps is that of [`ats`](crate::ats).
fn enter(domain: &Domain, endpoint: &Arc<Endpoint>, route: Route) -> Result {
    let driver = endpoint.instance().driver();
    let table = domain.table().descriptor();
    driver.prepare(endpoint, route, table)?;
    let was_on = endpoint.device_tlb().is_some_and(DeviceTlb::is_on);
    let device_tlb = endpoint.device_tlb().filter(|tlb| match tlb.enable() {
        Ok(()) => true,
        Err(_) => {
            pr_warn!("{}: its ATS cannot be used\n", endpoint.name());
            false
        }
    });
    let tag = domain
        .enter(endpoint, route, device_tlb.is_some())
        .inspect_err(|_| {
            // No entry has let the device ask meanwhile.
            if let (Some(tlb), false) = (device_tlb, was_on) {
                tlb.disable();
            }
        })?;
    let write = |device_tlb: bool| {
        let entry = Entry::Table {
            table,
            tag,
            device_tlb,
        };
        driver.set_route(endpoint.ids(), route, entry);
    };
    write(device_tlb.is_some());
    if device_tlb.is_some_and(DeviceTlb::is_refused) {
        // Given up since it was asked above.
        write(false);
    }
    if endpoint.instance().limits().flush_on_map {
        // Faults may be cached under the tag from before. A failure is logged by the driver, and
        // costs DMA faults, not safety.
        let _ = driver.invalidate(tag, Scope::Tag, DeviceTlbs::none());
    }
    Ok(())
}

impl Member {
    /// Whether the route leads to `target`.
    fn leads_to(&self, route: Route, target: &Target) -> bool {
        self.routes
            .iter()
            .any(|(other, to)| *other == route && to.is_same(target))
    }

    /// Where the route leads, to be changed. A route that is new leads nowhere.
    fn target_mut(&mut self, route: Route) -> Result<&mut Target> {
        let found = self.routes.iter().position(|(other, _)| *other == route);
        let index = match found {
            Some(index) => index,
            None => {
                self.routes.try_push((route, Target::Blocked), GFP_KERNEL)?;
                self.routes.len().saturating_sub(1)
            }
        };
        self.routes
            .get_mut(index)
            .map(|(_, target)| target)
            .ok_or(ENODEV)
    }
}

impl Target {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Blocked, Self::Blocked) | (Self::Identity, Self::Identity) => true,
            (Self::Domain(a), Self::Domain(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Drops what hardware has cached of this target on behalf of a route that led here.
    fn left_by(self, endpoint: &Arc<Endpoint>, route: Route) {
        let instance = endpoint.instance();
        match self {
            Self::Blocked => (),
            Self::Identity => {
                if let Some(tag) = instance.limits().identity {
                    // A failure is logged by the driver; memory is not freed on its success.
                    let driver = instance.driver();
                    let _ = driver.invalidate(tag, Scope::Tag, DeviceTlbs::none());
                }
            }
            Self::Domain(domain) => {
                if domain.leave(endpoint, route).is_err() {
                    pr_err!(
                        "{}: stale translations may be in use; the page table is kept for good\n",
                        instance.name()
                    );
                    core::mem::forget(domain);
                }
            }
        }
    }
}
