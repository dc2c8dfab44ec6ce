// SPDX-License-Identifier: GPL-2.0

//! For build scripts: modules taken from the kernel's own source.
//!
//! It is that of the default kernel, whatever `KERNEL` says: what stands in for the rest of the
//! `kernel` crate fits one series. Where it is, `tools/env` knows; `RUST_IOMMU_KERNEL_SOURCE` names
//! another one.

use std::{
    env,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

/// Writes `kernel.rs` to the build folder: declarations of `modules` with `visibility`, each a
/// name, a file below `rust/` in the kernel's source, and the files of the modules in it.
pub fn declare(visibility: &str, modules: &[(&str, &str, &[&str])]) {
    println!("cargo::rerun-if-env-changed=RUST_IOMMU_KERNEL_SOURCE");
    println!("cargo::rerun-if-changed=build.rs");
    let rust = find().join("rust");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut declarations = String::new();
    for (name, file, children) in modules {
        let folder = out.join(name);
        fs::create_dir_all(&folder).expect("the build folder can be written");
        copy(&rust.join(file), &folder.join("mod.rs"));
        for child in *children {
            let from = rust.join(child);
            copy(
                &from,
                &folder.join(from.file_name().expect("it names a file")),
            );
        }
        declarations += &format!(
            "#[allow(unexpected_cfgs, unused_imports, clippy::all)]\n#[path = {:?}]\n{visibility}mod {name};\n",
            folder.join("mod.rs")
        );
    }
    fs::write(out.join("kernel.rs"), declarations).expect("the build folder can be written");
}

fn copy(from: &Path, to: &Path) {
    println!("cargo::rerun-if-changed={}", from.display());
    if let Err(error) = fs::copy(from, to) {
        panic!("the kernel's source: {}: {error}", from.display());
    }
}

/// The kernel's source.
fn find() -> PathBuf {
    if let Some(path) = env::var_os("RUST_IOMMU_KERNEL_SOURCE") {
        return path.into();
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/env");
    let output = Command::new(tool)
        .args(["path", "source"])
        .env_remove("KERNEL")
        .output()
        .expect("tools/env can be run");
    let path = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "tools/env knows no kernel source; set RUST_IOMMU_KERNEL_SOURCE: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    path.trim_end().into()
}
