// SPDX-License-Identifier: GPL-2.0

//! A list that is read under RCU: the interface of `rust/sync/rcu_list.rs`.

use kernel::{
    prelude::*,
    sync::{
        rcu,
        Mutex, //
    }, //
};
use std::{
    marker::PhantomData,
    sync::Arc, //
};

/// The list.
#[pin_data]
pub struct RcuList<T: Send + Sync + 'static> {
    #[pin]
    values: Mutex<Vec<Arc<T>>>,
}

impl<T: Send + Sync + 'static> RcuList<T> {
    /// An empty list.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self { values <- new_mutex!(Vec::new()) })
    }

    /// Puts a value in front.
    ///
    /// # Errors
    ///
    /// None on the host.
    pub fn push(&self, value: T) -> Result {
        self.values.lock().insert(0, Arc::new(value));
        Ok(())
    }

    /// Removes the first value that `matches`, and drops it once no reader can see it any more.
    pub fn remove(&self, mut matches: impl FnMut(&T) -> bool) {
        let mut values = self.values.lock();
        let removed = values
            .iter()
            .position(|value| matches(value))
            .map(|index| values.remove(index));
        drop(values);
        rcu::call(move || drop(removed));
    }

    /// Whether there was no value a moment ago.
    pub fn is_empty(&self) -> bool {
        self.values.lock_unseen().is_empty()
    }

    /// The values, newest first, for as long as the guard lives.
    pub fn iter<'a>(&'a self, _: &'a rcu::Guard) -> Iter<'a, T> {
        let values: Vec<*const T> = self.values.lock_unseen().iter().map(Arc::as_ptr).collect();
        Iter {
            values: values.into_iter(),
            list: PhantomData,
        }
    }
}

/// Waits until nobody reads any more who may have found a value that was removed before.
pub fn synchronize() {
    rcu::call(|| ());
    rcu::barrier();
}

/// Iterator over the values of an [`RcuList`].
pub struct Iter<'a, T> {
    values: std::vec::IntoIter<*const T>,
    list: PhantomData<&'a T>,
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            list: PhantomData,
        }
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        // SAFETY: The value was on the list while the RCU guard was held that `'a` borrows. It is
        // dropped after that.
        self.values.next().map(|value| unsafe { &*value })
    }
}

/// Waits until every value removed before has been dropped.
pub fn barrier() {
    rcu::barrier();
}
