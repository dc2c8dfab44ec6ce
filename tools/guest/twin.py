# SPDX-License-Identifier: GPL-2.0
"""Boots the twin of a machine, which leaves the IOMMU to the kernel's built-in
driver, and compares: that driver is the judge of what groups there should be, and of
the addresses that each must keep out of."""

import dataclasses
import threading
from collections.abc import Iterable

from . import runner
from .evidence import Evidence
from .ktap import parse
from .machine import Machine, Verdict
from .paths import Paths
from .trace import Trace
from .vtd_checks import domain_of, groups_of, reserved_of

CONSUMER = "rust_iommu_dmatest"

# A twin is booted once, though several machines may have the same.
_twins: dict[str, Evidence] = {}
_locks: dict[str, threading.Lock] = {}


def groups_as_builtin(evidence: Evidence) -> Iterable[Verdict]:
    """The groups are those that the built-in driver makes of the same machine, and keep
    out of the same addresses."""
    twin = _twin_of(evidence.machine)
    ours, theirs = groups_of(evidence), groups_of(twin)
    extra = sorted(map(sorted, ours - theirs))
    missing = sorted(map(sorted, theirs - ours))
    note = f"only ours: {extra}; only built-in: {missing}" if ours != theirs else f"{len(ours)}"
    yield "groups equal to the built-in driver's", bool(ours) and ours == theirs, note
    yield from reserved_as(reserved_of(evidence), reserved_of(twin))
    can, should = domain_of(evidence), domain_of(twin)
    if can or should:
        note = f"{can}, built-in: {should}"
        yield "a domain can do what the built-in driver's can", can == should, note


def reserved_as(
    ours: dict[frozenset[str], str], theirs: dict[frozenset[str], str]
) -> Iterable[Verdict]:
    """Each group of both keeps out of the same addresses, for the same reasons."""
    both = ours.keys() & theirs.keys()
    different = [
        f"{sorted(group)}: {ours[group]}, built-in: {theirs[group]}"
        for group in sorted(both, key=sorted)
        if ours[group] != theirs[group]
    ]
    yield (
        "reserved regions equal to the built-in driver's",
        bool(both) and not different,
        "; ".join(different) or f"{len(both)}",
    )


def _twin_of(machine: Machine) -> Evidence:
    key = repr(
        (machine.kernel, machine.iommu, machine.devices, machine.qemu, machine.acpi_tables)
    )
    with _locks.setdefault(key, threading.Lock()):
        if key not in _twins:
            _twins[key] = _boot(machine)
        return _twins[key]


def _boot(machine: Machine) -> Evidence:
    twin = dataclasses.replace(
        machine,
        name=f"{machine.name}-builtin",
        tests=("groups",),
        builtin_driver="intel_iommu=on",
        # The consumer says what a domain can do; no hardware is touched.
        load=("rust_iommu",) if CONSUMER in machine.include else (),
        include=tuple(name for name in machine.include if name in (CONSUMER, "pci_pf_stub")),
        load_drivers=False,
        checks=(),
        traced=False,
    )
    outcome = runner.run(twin, Paths(twin.arch, twin.kernel), "tcg")
    return Evidence(twin, parse(outcome.console), outcome.console, Trace())
