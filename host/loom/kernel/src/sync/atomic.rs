// SPDX-License-Identifier: GPL-2.0

//! Atomics by the names of the kernel, over those of loom.

use loom::sync::atomic as host;
use std::sync::atomic::Ordering as Host;

/// Ordering: none.
pub struct Relaxed;
/// Ordering: of a load, before what follows.
pub struct Acquire;
/// Ordering: of a store, after what precedes.
pub struct Release;
/// Ordering: full.
pub struct Full;

/// An ordering, as C11 calls it.
pub trait Ordering {
    /// Of an operation that reads and writes.
    const UPDATE: Host;
    /// Whether such an operation is a full barrier, too.
    const IS_FULL: bool = false;
}

impl Ordering for Relaxed {
    const UPDATE: Host = Host::Relaxed;
}

impl Ordering for Acquire {
    const UPDATE: Host = Host::Acquire;
}

impl Ordering for Release {
    const UPDATE: Host = Host::Release;
}

impl Ordering for Full {
    const UPDATE: Host = Host::AcqRel;
    const IS_FULL: bool = true;
}

/// After an operation that reads and writes.
fn updated<O: Ordering>() {
    if O::IS_FULL {
        super::barrier::smp_mb();
    }
}

/// Orderings of a load.
pub trait AcquireOrRelaxed: Ordering {}

impl AcquireOrRelaxed for Acquire {}
impl AcquireOrRelaxed for Relaxed {}

/// Orderings of a store.
pub trait ReleaseOrRelaxed: Ordering {}

impl ReleaseOrRelaxed for Release {}
impl ReleaseOrRelaxed for Relaxed {}

/// What an [`Atomic`] can hold.
pub trait AtomicType: Copy {
    /// The word of loom.
    type Word;

    /// A word that holds `value`.
    fn word(value: Self) -> Self::Word;

    /// See [`Atomic`].
    fn load(word: &Self::Word, order: Host) -> Self;

    /// See [`Atomic`].
    fn store(word: &Self::Word, value: Self, order: Host);

    /// See [`Atomic`].
    fn swap(word: &Self::Word, value: Self, order: Host) -> Self;

    /// See [`Atomic`].
    fn replace(word: &Self::Word, old: Self, new: Self, order: Host) -> Result<Self, Self>;
}

/// A word that several threads may use at once.
pub struct Atomic<T: AtomicType>(T::Word);

impl<T: AtomicType> Atomic<T> {
    /// A word that holds `value`.
    pub fn new(value: T) -> Self {
        Self(T::word(value))
    }

    /// Reads the word.
    pub fn load<O: AcquireOrRelaxed>(&self, _: O) -> T {
        T::load(&self.0, O::UPDATE)
    }

    /// Writes the word.
    pub fn store<O: ReleaseOrRelaxed>(&self, value: T, _: O) {
        T::store(&self.0, value, O::UPDATE);
    }

    /// Writes the word and gives what it held.
    pub fn xchg<O: Ordering>(&self, value: T, _: O) -> T {
        let old = T::swap(&self.0, value, O::UPDATE);
        updated::<O>();
        old
    }

    /// Writes the word if it holds `old`. Gives what it held, as an error if that is something
    /// else: it then orders nothing.
    pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, _: O) -> Result<T, T> {
        T::replace(&self.0, old, new, O::UPDATE).inspect(|_| updated::<O>())
    }
}

macro_rules! word {
    ([$($parameter:ident)?] $type:ty => $host:ty) => {
        impl$(<$parameter>)? AtomicType for $type {
            type Word = $host;

            fn word(value: Self) -> Self::Word {
                <$host>::new(value)
            }

            fn load(word: &Self::Word, order: Host) -> Self {
                word.load(order)
            }

            fn store(word: &Self::Word, value: Self, order: Host) {
                word.store(value, order);
            }

            fn swap(word: &Self::Word, value: Self, order: Host) -> Self {
                word.swap(value, order)
            }

            fn replace(
                word: &Self::Word,
                old: Self,
                new: Self,
                order: Host,
            ) -> Result<Self, Self> {
                word.compare_exchange(old, new, order, Host::Relaxed)
            }
        }
    };
}

macro_rules! arithmetic {
    ($($type:ty),* $(,)?) => { $(
        impl Atomic<$type> {
            /// Adds to the word.
            pub fn add<O: Ordering>(&self, value: $type, order: O) {
                self.fetch_add(value, order);
            }

            /// Adds to the word and gives what it held.
            pub fn fetch_add<O: Ordering>(&self, value: $type, _: O) -> $type {
                let old = self.0.fetch_add(value, O::UPDATE);
                updated::<O>();
                old
            }

            /// Subtracts from the word and gives what it held.
            pub fn fetch_sub<O: Ordering>(&self, value: $type, _: O) -> $type {
                let old = self.0.fetch_sub(value, O::UPDATE);
                updated::<O>();
                old
            }
        }
    )* };
}

word!([] bool => host::AtomicBool);
word!([] u32 => host::AtomicU32);
word!([] u64 => host::AtomicU64);
word!([] usize => host::AtomicUsize);
word!([T] *mut T => host::AtomicPtr<T>);

arithmetic!(u32, u64, usize);
