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
    instance::Tag,
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
    /// What cannot fail for a route that was attached before, unless the instance is lost: to attach
    /// it to [`Target::Blocked`], or to a domain that it was attached to before.
    ///
    /// # Errors
    ///
    /// The route leads where it led before, and
    ///
    /// - `EIO`: the instance is [lost](crate::instance#an-instance-that-is-lost), or was lost under
    ///   way; the route then leads nowhere.
    /// - `ENODEV`: the endpoint is no member.
    /// - `EINVAL`: the instance cannot walk the domain's table, has no such routes, or none that
    ///   pass DMA untranslated.
    /// - `ENOSPC`: the instance has no more tags.
    /// - `ENOMEM`.
    pub fn attach(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        route: Route,
        target: Target,
    ) -> Result {
        let mut members = self.members.lock();
        let member = members
            .iter_mut()
            .find(|member| Arc::ptr_eq(&member.endpoint, endpoint))
            .ok_or(ENODEV)?;
        let current = member.target_mut(route)?;
        let instance = endpoint.instance();
        if instance.is_lost() {
            return if current.is_same(&target) {
                Ok(())
            } else {
                Err(EIO)
            };
        }

        let was_on = endpoint.device_tlb().is_some_and(DeviceTlb::is_on);
        // Whether the new entry lets the device ask for translations.
        let mut asks = false;
        match &target {
            Target::Blocked => instance.set_route(endpoint.ids(), route, Entry::Blocked),
            Target::Identity => {
                instance.limits().identity.ok_or(EINVAL)?;
                instance.set_route(endpoint.ids(), route, Entry::Identity);
            }
            Target::Domain(domain) => asks = enter(self, domain, endpoint, route)?,
        }
        if instance.is_lost() {
            // Lost under way. The devices are cut off; what was written must not count later.
            instance.set_route(endpoint.ids(), route, Entry::Blocked);
            target.left_by(endpoint, route);
            if let (Some(tlb), false) = (endpoint.device_tlb(), was_on) {
                tlb.disable();
            }
            return Err(EIO);
        }
        // It may not have asked before: then it is listed for this entry alone.
        let asks_there_still = asks && current.is_same(&target);
        let old = core::mem::replace(current, target);
        match old {
            Target::Domain(domain) if asks_there_still => {
                let flushed = domain.uncount(endpoint);
                keep_if_failed(domain, flushed, endpoint);
            }
            old => old.left_by(endpoint, route),
        }
        if let (Some(tlb), false) = (endpoint.device_tlb(), asks) {
            tlb.disable();
        }
        Ok(())
    }

    /// Lets the device of a member ask for translations of the domains that it is in: it has waited
    /// for its unit to translate.
    pub(crate) fn let_ask(&self, endpoint: &Arc<Endpoint>) {
        let members = self.members.lock();
        let member = members
            .iter()
            .find(|member| Arc::ptr_eq(&member.endpoint, endpoint));
        let (Some(member), Some(tlb)) = (member, endpoint.device_tlb()) else {
            return;
        };
        if tlb.is_on() {
            // It was attached again meanwhile.
            return;
        }
        let mut asks = false;
        for (route, target) in member.routes.iter() {
            if let Target::Domain(domain) = target {
                if let Some(tag) = domain.tag(endpoint.instance()) {
                    asks |= write_entry(domain, endpoint, *route, tag, Some(tlb));
                }
            }
        }
        if !asks {
            tlb.disable();
        }
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
                    instance.set_route(&[id], *route, after);
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

/// Makes a route lead to a domain. The order of steps is that of [`ats`](crate::ats). Returns whether
/// the device may ask for translations.
fn enter(
    group: &Arc<Group>,
    domain: &Domain,
    endpoint: &Arc<Endpoint>,
    route: Route,
) -> Result<bool> {
    let instance = endpoint.instance();
    let table = domain.table().descriptor();
    instance.driver().prepare(endpoint, route, table)?;
    let tag = domain.enter(instance)?;
    let tlb = endpoint
        .device_tlb()
        .filter(|_| instance.may_ask_now(group, endpoint));
    let asks = write_entry(domain, endpoint, route, tag, tlb);
    if instance.limits().flush_on_map {
        // Faults may be cached under the tag from before. A failure is logged by the driver, and
        // costs DMA faults, not safety.
        let _ = instance.invalidate(tag, &Scope::Tag, DeviceTlbs::none());
    }
    Ok(asks)
}

/// Writes the entry of a route, which is counted at the domain. `tlb`: the TLB of the device, if it
/// may be used. Returns whether the device may ask for translations.
fn write_entry(
    domain: &Domain,
    endpoint: &Arc<Endpoint>,
    route: Route,
    tag: Tag,
    tlb: Option<&DeviceTlb>,
) -> bool {
    let table = domain.table().descriptor();
    let write = |device_tlb: bool| {
        let entry = Entry::Table {
            table,
            tag,
            device_tlb,
        };
        endpoint.instance().set_route(endpoint.ids(), route, entry);
    };
    let asks = tlb.is_some_and(|tlb| may_ask(domain, endpoint, route, tag, tlb));
    write(asks);
    if asks && tlb.is_some_and(DeviceTlb::is_refused) {
        // Given up since it was turned on.
        write(false);
        domain.forget_device_tlb(endpoint, route);
        return false;
    }
    asks
}

/// Makes ready for a device that asks for translations of the domain. If that fails, its DMA is
/// translated without.
fn may_ask(
    domain: &Domain,
    endpoint: &Arc<Endpoint>,
    route: Route,
    tag: Tag,
    tlb: &DeviceTlb,
) -> bool {
    let ready = tlb
        .enable()
        .and_then(|()| domain.enter_device_tlb(endpoint, route, tag));
    if let Err(e) = ready {
        pr_warn!(
            "{}: its ATS is not used: error {}\n",
            endpoint.name(),
            e.to_errno()
        );
    }
    ready.is_ok()
}

/// Keeps a domain that a route of `endpoint` has left for good, if what was cached is not flushed.
fn keep_if_failed(domain: Arc<Domain>, flushed: Result, endpoint: &Endpoint) {
    if flushed.is_err() {
        pr_err!(
            "{}: stale translations may be in use; the page table is kept for good\n",
            endpoint.instance().name()
        );
        core::mem::forget(domain);
    }
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
                    let _ = instance.invalidate(tag, &Scope::Tag, DeviceTlbs::none());
                }
            }
            Self::Domain(domain) => {
                let flushed = domain.leave(endpoint, route);
                keep_if_failed(domain, flushed, endpoint);
            }
        }
    }
}

#[kernel::macros::kunit_tests(rust_iommu_groups)]
mod tests {
    use super::*;
    use crate::{
        driver::Limits,
        recorder::{
            self,
            Call,
            Unit,
            LIMITS, //
        },
        route::Pasid, //
    };

    const FLUSH_1: Call = Call::Flush(Tag(1), Scope::Tag);
    const FLUSH_2: Call = Call::Flush(Tag(2), Scope::Tag);

    /// Nothing is written, not even what blocks: nobody would see it.
    #[test]
    fn a_lost_unit_takes_no_route() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let device = unit.endpoint(&[0x10])?;
        let group = Group::new()?;
        group.join(device.clone())?;
        let [domain, other] = [recorder::domain()?, recorder::domain()?];
        let there = || Target::Domain(domain.clone());
        group.attach(&device, Route::Rid, there())?;
        let entry = Call::Translate(0x10, Route::Rid, Tag(1));
        assert!(unit.driver.was_told(&[entry])?);
        unit.driver.hang();
        for target in [Target::Blocked, Target::Identity, Target::Domain(other)] {
            assert_eq!(group.attach(&device, Route::Rid, target), Err(EIO));
        }
        assert_eq!(group.attach(&device, Route::Rid, there()), Ok(()));
        assert!(unit.driver.was_told(&[Call::CutOff])?);
        // It can leave, and its domain stays.
        group.leave(&device, &Target::Blocked);
        let block = Call::Block(0x10, Route::Rid);
        assert!(unit.driver.was_told(&[block, FLUSH_1])?);
        assert_eq!(unit.instance.domains(), 1);
        Ok(())
    }
    const FLUSH_IDENTITY: Call = Call::Flush(Tag(0), Scope::Tag);

    const fn block(id: u32) -> Call {
        Call::Block(id, Route::Rid)
    }

    const fn pass(id: u32) -> Call {
        Call::Pass(id, Route::Rid)
    }

    const fn translate(id: u32, tag: u32) -> Call {
        Call::Translate(id, Route::Rid, Tag(tag))
    }

    fn domain() -> Result<Target> {
        Ok(Target::Domain(recorder::domain()?))
    }

    /// A device in a group.
    fn member(unit: &mut Unit, group: &Group, ids: &[u32]) -> Result<Arc<Endpoint>> {
        let device = unit.endpoint(ids)?;
        group.join(device.clone())?;
        Ok(device)
    }

    #[test]
    fn a_route_moves() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let group = Group::new()?;
        let device = member(&mut unit, &group, &[0x10, 0x18])?;
        let driver = unit.driver.clone();
        let attach = |target: Target| group.attach(&device, Route::Rid, target);
        attach(domain()?)?;
        assert!(driver.was_told(&[translate(0x10, 1), translate(0x18, 1)])?);
        // The new entry first, then what is cached of the old domain.
        attach(domain()?)?;
        assert!(driver.was_told(&[translate(0x10, 2), translate(0x18, 2), FLUSH_1])?);
        attach(Target::Identity)?;
        assert!(driver.was_told(&[pass(0x10), pass(0x18), FLUSH_2])?);
        attach(Target::Blocked)?;
        assert!(driver.was_told(&[block(0x10), block(0x18), FLUSH_IDENTITY])?);
        attach(Target::Blocked)?;
        assert!(driver.was_told(&[block(0x10), block(0x18)])?);
        assert_eq!(unit.instance.domains(), 0);
        Ok(())
    }

    #[test]
    fn what_fails_leaves_the_route_where_it_was() -> Result {
        let mut unit = Unit::new(Limits {
            last_tag: 1,
            identity: None,
            ..LIMITS
        })?;
        let group = Group::new()?;
        let device = member(&mut unit, &group, &[0x10])?;
        let stranger = unit.endpoint(&[0x20])?;
        let driver = unit.driver.clone();
        let attach = |target: Target| group.attach(&device, Route::Rid, target);
        attach(domain()?)?;
        assert!(driver.was_told(&[translate(0x10, 1)])?);
        // No tag, no such entry, no such table, no such member.
        assert_eq!(attach(domain()?), Err(ENOSPC));
        assert_eq!(attach(Target::Identity), Err(EINVAL));
        driver.refuse(true);
        assert_eq!(attach(domain()?), Err(EINVAL));
        driver.refuse(false);
        let refused = group.attach(&stranger, Route::Rid, Target::Blocked);
        assert_eq!(refused, Err(ENODEV));
        assert!(driver.was_told(&[])?);
        assert_eq!(unit.instance.domains(), 1);
        attach(Target::Blocked)?;
        assert!(driver.was_told(&[block(0x10), FLUSH_1])?);
        Ok(())
    }

    #[test]
    fn members_share_a_domain_and_its_tag() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let group = Group::new()?;
        let devices = [
            member(&mut unit, &group, &[1])?,
            member(&mut unit, &group, &[2])?,
        ];
        let target = domain()?;
        for device in &devices {
            group.attach(device, Route::Rid, target.clone())?;
        }
        assert!(unit.driver.was_told(&[translate(1, 1), translate(2, 1)])?);
        assert_eq!(unit.instance.domains(), 1);
        group.attach(&devices[0], Route::Rid, Target::Blocked)?;
        assert_eq!(unit.instance.domains(), 1);
        group.attach(&devices[1], Route::Rid, Target::Blocked)?;
        let calls = [block(1), FLUSH_1, block(2), FLUSH_1];
        assert!(unit.driver.was_told(&calls)?);
        drop(target);
        assert_eq!(unit.instance.domains(), 0);
        Ok(())
    }

    #[test]
    fn routes_of_one_device_lead_to_different_places() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let group = Group::new()?;
        let device = member(&mut unit, &group, &[1])?;
        let pasid = Route::Pasid(Pasid::new(9)?);
        group.attach(&device, Route::Rid, domain()?)?;
        group.attach(&device, pasid, domain()?)?;
        let calls = [translate(1, 1), Call::Translate(1, pasid, Tag(2))];
        assert!(unit.driver.was_told(&calls)?);
        group.attach(&device, Route::Rid, Target::Blocked)?;
        assert!(unit.driver.was_told(&[block(1), FLUSH_1])?);
        group.leave(&device, &Target::Blocked);
        let calls = [block(1), Call::Block(1, pasid), FLUSH_2];
        assert!(unit.driver.was_told(&calls)?);
        assert_eq!(unit.instance.domains(), 0);
        Ok(())
    }

    #[test]
    fn an_id_goes_with_the_last_who_shares_it() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let group = Group::new()?;
        let [first, second, idle] = [
            member(&mut unit, &group, &[1, 5])?,
            member(&mut unit, &group, &[2, 5])?,
            member(&mut unit, &group, &[5])?,
        ];
        let target = domain()?;
        for device in [&first, &second] {
            group.attach(device, Route::Rid, target.clone())?;
        }
        let calls = [
            translate(1, 1),
            translate(5, 1),
            translate(2, 1),
            translate(5, 1),
        ];
        assert!(unit.driver.was_told(&calls)?);
        // It has led nowhere: the others go on.
        group.leave(&idle, &Target::Blocked);
        assert!(unit.driver.was_told(&[])?);
        group.leave(&first, &Target::Blocked);
        assert!(unit.driver.was_told(&[block(1), FLUSH_1])?);
        group.leave(&second, &Target::Blocked);
        assert!(unit.driver.was_told(&[block(2), block(5), FLUSH_1])?);
        // A member no more.
        group.leave(&second, &Target::Blocked);
        assert!(unit.driver.was_told(&[])?);
        Ok(())
    }

    #[test]
    fn a_device_may_leave_to_pass() -> Result {
        let mut unit = Unit::new(LIMITS)?;
        let group = Group::new()?;
        let device = member(&mut unit, &group, &[1])?;
        group.attach(&device, Route::Rid, domain()?)?;
        assert!(unit.driver.was_told(&[translate(1, 1)])?);
        group.leave(&device, &Target::Identity);
        assert!(unit.driver.was_told(&[pass(1), FLUSH_1])?);
        assert!(unit.instance.passes(1));
        Ok(())
    }

    #[test]
    fn faults_that_may_be_cached_go_with_a_new_route() -> Result {
        let mut unit = Unit::new(Limits {
            flush_on_map: true,
            ..LIMITS
        })?;
        let group = Group::new()?;
        let device = member(&mut unit, &group, &[1])?;
        group.attach(&device, Route::Rid, domain()?)?;
        assert!(unit.driver.was_told(&[translate(1, 1), FLUSH_1])?);
        group.leave(&device, &Target::Blocked);
        Ok(())
    }
}
