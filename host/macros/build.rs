// SPDX-License-Identifier: GPL-2.0

#[path = "../kernel_source.rs"]
mod kernel_source;

fn main() {
    kernel_source::declare(
        "",
        &[
            ("fmt", "macros/fmt.rs", &[]),
            ("paste", "macros/paste.rs", &[]),
        ],
    );
}
