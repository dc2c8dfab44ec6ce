// SPDX-License-Identifier: GPL-2.0

//! Stands in for `drivers/iommu/bridge` on the host: what a driver implements for it.

/// Units, as the bridge sees them.
pub mod unit {
    use kernel::prelude::*;

    /// Turning translation of a unit on and off.
    pub trait Translation: Send + Sync {
        /// Starts to translate.
        ///
        /// # Errors
        ///
        /// `ETIMEDOUT`: the hardware does not answer.
        fn enable(&self) -> Result;

        /// Stops to translate.
        ///
        /// # Errors
        ///
        /// `ETIMEDOUT`: the hardware does not answer.
        fn disable(&self) -> Result;
    }
}
