// SPDX-License-Identifier: GPL-2.0

//! ACPI tables, as bytes to be parsed.
//!
//! C header: [`include/acpi/acpixf.h`](srctree/include/acpi/acpixf.h)

use core::{
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// An ACPI table that firmware has put into memory.
///
/// # Invariants
///
/// `0` came from `acpi_get_table()`: all of the table is mapped, as long as its header says, and
/// stays mapped until `acpi_put_table()`, which nothing else calls for it.
pub struct AcpiTable(NonNull<bindings::acpi_table_header>);

// SAFETY: Tables may be released from any thread.
unsafe impl Send for AcpiTable {}
// SAFETY: Tables are only read.
unsafe impl Sync for AcpiTable {}

impl AcpiTable {
    /// The first table with this signature, of four characters.
    ///
    /// # Errors
    ///
    /// `ENODEV`: firmware has no such table.
    pub fn get(signature: &CStr) -> Result<Self> {
        let mut table = ptr::null_mut();
        // SAFETY: The signature is only read, and NUL-terminated; `table` is valid for a write.
        let status =
            unsafe { bindings::acpi_get_table(signature.as_char_ptr().cast_mut(), 0, &mut table) };
        if status != 0 {
            return Err(ENODEV);
        }
        // INVARIANT: `acpi_get_table()` succeeded.
        NonNull::new(table).map(Self).ok_or(ENODEV)
    }

    /// The bytes of the table, its header included. What they say is not checked.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariant the header is mapped.
        let len = unsafe { (*self.0.as_ptr()).length };
        // SAFETY: By the type invariant that many bytes are mapped; nobody writes to them.
        unsafe { slice::from_raw_parts(self.0.as_ptr().cast::<u8>(), len as usize) }
    }
}

impl Drop for AcpiTable {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::acpi_put_table(self.0.as_ptr()) }
    }
}
