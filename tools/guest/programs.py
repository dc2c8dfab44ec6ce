# SPDX-License-Identifier: GPL-2.0
"""Small programs for guests, for what busybox cannot do: tests/programs/*.c, built with
the kernel's own nolibc (tools/include/nolibc)."""

import subprocess
import tempfile
from pathlib import Path

from .errors import UsageError
from .paths import CLONE, Paths

SOURCES = CLONE / "tests" / "programs"
COMPILERS = {"x86_64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}
FLAGS = ("-Os", "-Wall", "-Werror", "-static", "-nostdlib", "-fno-stack-protector")


def build(name: str, paths: Paths) -> bytes:
    """The program, for the guest's architecture."""
    source = SOURCES / f"{name}.c"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in SOURCES.glob("*.c")))
        raise UsageError(f"no program '{name}' in {SOURCES}; there are: {known}")
    nolibc = paths.source / "tools" / "include" / "nolibc"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / name
        command = [COMPILERS[paths.arch], *FLAGS, f"-I{nolibc}", "-o", str(program), str(source)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise UsageError(f"{source.name} does not build:\n{answer.stderr}")
        return program.read_bytes()
