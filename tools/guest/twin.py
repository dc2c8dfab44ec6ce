# SPDX-License-Identifier: GPL-2.0
"""Boots the twin of a machine, which leaves the IOMMU to the kernel's built-in
driver, and compares: that driver is the judge of what groups there should be."""

import dataclasses
import threading
from collections.abc import Iterable

from . import runner
from .evidence import Evidence
from .ktap import parse
from .machine import Machine, Verdict
from .paths import Paths
from .trace import Trace
from .vtd_checks import groups_of

# A twin is booted once, though several machines may have the same.
_groups: dict[str, set[frozenset[str]]] = {}
_locks: dict[str, threading.Lock] = {}


def groups_as_builtin(evidence: Evidence) -> Iterable[Verdict]:
    """The groups are those that the built-in driver makes of the same machine."""
    ours = groups_of(evidence)
    theirs = _builtin_groups(evidence.machine)
    extra = sorted(map(sorted, ours - theirs))
    missing = sorted(map(sorted, theirs - ours))
    note = f"only ours: {extra}; only built-in: {missing}" if ours != theirs else f"{len(ours)}"
    yield "groups equal to the built-in driver's", bool(ours) and ours == theirs, note


def _builtin_groups(machine: Machine) -> set[frozenset[str]]:
    key = repr((machine.kernel, machine.iommu, machine.devices, machine.qemu))
    with _locks.setdefault(key, threading.Lock()):
        if key not in _groups:
            _groups[key] = _boot(machine)
        return _groups[key]


def _boot(machine: Machine) -> set[frozenset[str]]:
    twin = dataclasses.replace(
        machine,
        name=f"{machine.name}-builtin",
        tests=("groups",),
        builtin_driver="intel_iommu=on",
        load=(),
        include=(),
        load_drivers=False,
        checks=(),
        traced=False,
    )
    outcome = runner.run(twin, Paths(twin.arch, twin.kernel), "tcg")
    return groups_of(Evidence(twin, parse(outcome.console), outcome.console, Trace()))
