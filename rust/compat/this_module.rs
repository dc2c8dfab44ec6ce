// SPDX-License-Identifier: GPL-2.0

//! How the crate of a module names the module.
//!
//! In 7.3 it is a constant of the type that `module!` is given, in 7.2 a static beside it.
//!
//! Goes with 7.2: `kernel::module::this_module::<LocalModule>()` is in every kernel then.

/// The module (`&'static ThisModule`) of a crate with `module!`. `$module` is the type given to it.
#[cfg(not(kernel_7_2))]
#[macro_export]
macro_rules! this_module {
    ($module:ty) => {
        ::kernel::module::this_module::<$module>()
    };
}

/// The module (`&'static ThisModule`) of a crate with `module!`. `$module` is the type given to it.
#[cfg(kernel_7_2)]
#[allow(
    clippy::crate_in_macro_def,
    reason = "the static is in the crate that has the module"
)]
#[macro_export]
macro_rules! this_module {
    ($module:ty) => {
        &crate::THIS_MODULE
    };
}
