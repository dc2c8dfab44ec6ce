// SPDX-License-Identifier: GPL-2.0

//! One build, one ABI: modules that share Rust types must come from the same build.
//!
//! The kernel checks neither the layout of Rust types nor the signatures of Rust functions across
//! modules, so a driver loaded over a core of another build would corrupt memory. The build puts
//! one number into every module, made from the sources and the compiler; a driver presents its
//! own before it does anything else.
//!
//! The number covers what is linked into `rust_iommu.ko`, and the kernel's configuration.

use kernel::prelude::*;

/// The ABI id of the build that compiled the crate using this constant.
///
/// Constants are copied into the crate that uses them, while [`check`] is code of `rust_iommu.ko`:
/// that is what makes the comparison mean something.
pub const ID: u64 = parse(include_str!(concat!(
    env!("RUST_IOMMU_GENERATED"),
    "/abi_id"
)));

/// Checks that a driver was built together with this core.
///
/// # Errors
///
/// `ENOEXEC` if not, with a line in the log that says what to do.
#[inline(never)]
pub fn check(driver: &CStr, id: u64) -> Result {
    if id == ID {
        return Ok(());
    }
    pr_err!(
        "{}: built with ABI id {:016x}, but the loaded rust_iommu has {:016x}: \
         load modules of one build\n",
        driver,
        id,
        ID
    );
    Err(ENOEXEC)
}

/// Reads the hexadecimal number that the build passes in.
const fn parse(hex: &str) -> u64 {
    // Evaluated when compiling: what would be a panic is an error message of the compiler.
    let bytes = hex.as_bytes();
    let mut value = 0u64;
    let mut i = 0;
    while i < bytes.len() {
        let digit = match bytes[i] {
            c @ b'0'..=b'9' => c - b'0',
            c @ b'a'..=b'f' => c - b'a' + 10,
            b'\n' => break,
            _ => panic!("abi_id must hold a lower-case hexadecimal number"),
        };
        value = value << 4 | digit as u64;
        i += 1;
    }
    value
}
