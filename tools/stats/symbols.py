# SPDX-License-Identifier: GPL-2.0
"""Which symbols are entry points of a panic.

A module contains no code of Rust's `core`, except what is generic or inlined: the rest is in the
kernel image, and every call of it is a relocation. So the rule is by what is *known to be
harmless*: any function of `core` that is called and not listed in HARMLESS counts. An entry point
that a new compiler brings is thereby counted, whatever its name.
"""

import re
import subprocess
from collections.abc import Iterable

# Crates of the language. The kernel has no `std` and no `alloc`; if it had, they would count.
LANGUAGE = {"core", "alloc", "std", "compiler_builtins"}

# What of these crates never panics, by demangled name. `core::fmt` calls back into code that
# is compiled elsewhere, and counted there.
HARMLESS = re.compile(
    r"^core::fmt::"
    r"|^<core::fmt::\w+>::"
    r"|^<.+ as core::fmt::\w+>::fmt$"
    r"|^<core::ffi::c_str::CStr>::(?:from_bytes_until_nul|from_bytes_with_nul|to_str)$"
    r"|^core::str::converts::from_utf8$"
)

# Entry points wherever they are: the kernel's handler, and what C calls its own.
BY_NAME = re.compile(
    r"rust_begin_unwind|rust_panic|rust_build_error"
    r"|^(?:v|nmi_)?panic$|^__ubsan_handle_|^__fortify_panic$"
)

# Mangled names (v0): tags of paths, then the crate of the outermost path, which for an impl is
# the crate that the impl stands in. Legacy names begin with the crate.
V0 = re.compile(
    r"^_R(?:N[A-Za-z]|I|[MX](?:s[0-9A-Za-z]*_)?)*C(?:s[0-9A-Za-z]*_)?(\d+)_?([0-9A-Za-z_]+)"
)
LEGACY = re.compile(r"^_ZN(\d+)_?([0-9A-Za-z_$.]+)")
LEGACY_IMPL = re.compile(r"^_\$LT\$.*\$u20\$as\$u20\$(\w+)|^_\$LT\$(?:impl\$u20\$)?&?(\w+)")


def crate_of(symbol: str) -> str | None:
    """The crate that a Rust symbol belongs to; None for what is not Rust, or not clear."""
    if match := V0.match(symbol):
        return match[2][: int(match[1])]
    if match := LEGACY.match(symbol):
        segment = match[2][: int(match[1])]
        if impl := LEGACY_IMPL.match(segment):
            return impl[1] or impl[2]
        return segment
    return None


def is_rust(symbol: str) -> bool:
    """Whether the name is one that a Rust compiler made."""
    return symbol.startswith(("_R", "_ZN"))


def demangle(symbols: Iterable[str]) -> dict[str, str]:
    """What the names stand for, without the hashes of crates."""
    names = sorted(set(symbols))
    if not names:
        return {}
    answer = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    hashes = re.compile(r"\[[0-9a-f]{5,}\]|::h[0-9a-f]{16}$")
    return {name: hashes.sub("", text) for name, text in zip(names, answer, strict=True)}


def panics(symbol: str, name: str) -> bool:
    """Whether a symbol of another object, whose demangled name is `name`, may panic."""
    if BY_NAME.search(symbol):
        return True
    if not is_rust(symbol) or HARMLESS.search(name):
        return False
    crate = crate_of(symbol)
    return crate is None or crate in LANGUAGE
