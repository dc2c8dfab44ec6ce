// SPDX-License-Identifier: GPL-2.0

//! The registry: which instance a firmware node names.
//!
//! A device's firmware names its IOMMU; the registry gives the one instance, and only that
//! instance's driver is asked anything about the device. There is no loop over drivers, and
//! several kinds of IOMMU live side by side.

use crate::instance::Instance;
use iommu_ext::{
    fwnode,
    sync::rcu_list,
    vec::KVecExt, //
};
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    }, //
};

global_lock! {
    /// The registered instances. Initialised by the front end that owns the module.
    // SAFETY: `bridge` initialises it before the module's init returns.
    pub unsafe(uninit) static INSTANCES: Mutex<KVec<Arc<Instance>>> = KVec::new();
}

/// Keeps an instance registered; dropping it takes the instance out of the registry.
pub struct Registration(Arc<Instance>);

impl Registration {
    /// Makes the instance the one that its firmware node names.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the node names another instance already.
    /// - `ENOMEM`.
    pub fn new(instance: Arc<Instance>) -> Result<Self> {
        let mut instances = INSTANCES.lock();
        if let Some(other) = instances.iter().find(|i| i.key() == instance.key()) {
            pr_err!(
                "{}: its firmware node names {} already\n",
                instance.name(),
                other.name()
            );
            return Err(EEXIST);
        }
        instances.try_push(instance.clone(), GFP_KERNEL)?;
        Ok(Self(instance))
    }

    /// The registered instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        {
            let mut instances = INSTANCES.lock();
            instances.remove_where(|other| Arc::ptr_eq(other, &self.0));
            if instances.is_empty() {
                // A static is never dropped: give the memory back by hand.
                *instances = KVec::new();
            }
        }
        // Endpoints and routes that were removed are freed after a grace period and hold
        // references to the instance. Wait, so that the last reference is dropped in a context
        // that may sleep.
        rcu_list::barrier();
    }
}

/// Whether `key` names an instance.
pub fn is_registered(key: fwnode::Key) -> bool {
    INSTANCES.lock().iter().any(|i| i.key() == key)
}

/// The instance that `key` names; `None` if none is registered under it.
///
/// The caller has pinned the module of the instance's driver, whose code the last reference needs.
pub fn find(key: fwnode::Key) -> Option<Arc<Instance>> {
    INSTANCES.lock().iter().find(|i| i.key() == key).cloned()
}

#[kernel::macros::kunit_tests(rust_iommu_registry)]
mod tests {
    use super::*;
    use crate::recorder::{
        Unit,
        LIMITS, //
    };
    use kernel::str::CString;

    fn is(found: Option<Arc<Instance>>, instance: &Arc<Instance>) -> bool {
        found.is_some_and(|found| Arc::ptr_eq(&found, instance))
    }

    #[test]
    fn a_node_names_its_unit() -> Result {
        let units = [Unit::new(LIMITS)?, Unit::new(LIMITS)?];
        let [first, second] = [&units[0].instance, &units[1].instance];
        assert!(find(first.key()).is_none());
        let registration = Registration::new(first.clone())?;
        assert!(is(find(first.key()), first));
        assert!(Arc::ptr_eq(registration.instance(), first));
        assert!(find(second.key()).is_none());
        let other = Registration::new(second.clone())?;
        assert!(is(find(first.key()), first) && is(find(second.key()), second));
        drop(registration);
        assert!(find(first.key()).is_none());
        assert!(is(find(second.key()), second));
        drop(other);
        assert!(find(second.key()).is_none());
        Ok(())
    }

    #[test]
    fn a_node_names_one_unit_only() -> Result {
        let unit = Unit::new(LIMITS)?;
        let key = unit.instance.key();
        let name = CString::try_from_fmt(fmt!("other"))?;
        let other = Instance::new(name, key, LIMITS, unit.driver.clone(), None)?;
        let registration = Registration::new(unit.instance.clone())?;
        assert!(Registration::new(other.clone()).err() == Some(EEXIST));
        assert!(Registration::new(unit.instance.clone()).err() == Some(EEXIST));
        assert!(is(find(key), &unit.instance));
        drop(registration);
        let _registration = Registration::new(other.clone())?;
        assert!(is(find(key), &other));
        Ok(())
    }
}
