// SPDX-License-Identifier: GPL-2.0

#[path = "../kernel_source.rs"]
mod kernel_source;

fn main() {
    // As of every kernel that we build for.
    println!("cargo::rustc-cfg=CONFIG_64BIT");
    kernel_source::declare(
        "pub ",
        &[
            ("bitfield_source", "kernel/bitfield.rs", &[]),
            ("fmt", "kernel/fmt.rs", &[]),
            (
                "num",
                "kernel/num.rs",
                &["kernel/num/bounded.rs", "kernel/num/casts.rs"],
            ),
            ("register", "kernel/io/register.rs", &[]),
            ("poll", "kernel/io/poll.rs", &[]),
        ],
    );
}
