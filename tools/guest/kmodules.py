# SPDX-License-Identifier: GPL-2.0
"""Finds kernel modules by name: ours in the build folder, the kernel's own
(and what they depend on, in loading order) through its modules.dep."""

import lzma
from pathlib import Path

from .errors import UsageError, unknown
from .paths import Paths


def canonical(name: str) -> str:
    """The name the kernel uses: nvme-core and nvme_core are one module."""
    return name.replace("-", "_")


class ModuleStore:
    """All modules a machine of one architecture can be given."""

    def __init__(self, paths: Paths) -> None:
        self._ours = {canonical(file.stem): file for file in paths.build.glob("*.ko")}
        self._root = paths.boot / "modules"
        self._theirs: dict[str, tuple[Path, list[str]]] = {}
        for line in (self._root / "modules.dep").read_text().splitlines():
            path, _, needed = line.partition(":")
            # Listed is the nearest last: loading order is from the end.
            needs = [_stem(needs) for needs in reversed(needed.split())]
            self._theirs[_stem(path)] = (self._root / path, needs)

    def with_dependencies(self, name: str) -> list[str]:
        """The module and what it needs, in loading order."""
        name = canonical(name)
        if name in self._ours:
            return [name]
        if name not in self._theirs:
            raise self._missing(name)
        return [*self._theirs[name][1], name]

    def data(self, name: str) -> bytes:
        """The module's .ko, uncompressed: busybox insmod hands it on as it is."""
        if name in self._ours:
            return self._ours[name].read_bytes()
        file = self._theirs[name][0]
        if file.suffix == ".xz":
            return lzma.decompress(file.read_bytes())
        return file.read_bytes()

    def _missing(self, name: str) -> UsageError:
        if name.startswith("rust_"):
            return unknown("module", name, list(self._ours))
        return UsageError(
            f"module '{name}' is neither ours ({', '.join(sorted(self._ours)) or 'none built'}) "
            f"nor the kernel's own ({self._root})"
        )


def _stem(path: str) -> str:
    return canonical(path.rpartition("/")[2].partition(".ko")[0])
