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
