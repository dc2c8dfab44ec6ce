# SPDX-License-Identifier: GPL-2.0
"""The declared test machines. `python3 -m guest list` prints them.

What the fields mean is in machine.py, devices to choose from are in devices.py,
IOMMUs in variants.py. Give devices that a test names by requester an address.
"""

from . import (
    bench_machines,
    checks,
    fault_machines,
    firmware_machines,
    power_machines,
    takeover_machines,
    vtd_machines,
)
from .devices import nvme
from .errors import unknown
from .machine import Machine
from .variants import find as find_variant

MACHINES: tuple[Machine, ...] = (
    Machine(
        "smoke",
        "the stock kernel and this harness, without any module of ours",
        tests=("smoke",),
        devices=(nvme(address="4"),),
        checks=(checks.iommu_untouched,),
    ),
    *vtd_machines.MACHINES,
    *firmware_machines.MACHINES,
    *takeover_machines.MACHINES,
    *power_machines.MACHINES,
    *fault_machines.MACHINES,
    *bench_machines.MACHINES,
)


def find(name: str) -> Machine:
    """The machine of that name; an error lists the known ones."""
    for machine in MACHINES:
        if machine.name == name:
            return machine
    raise unknown("machine", name, [machine.name for machine in MACHINES])


def select(arch: str, iommu: str | None = None, pattern: str | None = None) -> list[Machine]:
    """The machines `check` runs: those of the architecture, of the IOMMU variant
    if one is given, and with a test (or a name) that has `pattern` in it."""
    candidates = [machine for machine in MACHINES if machine.arch == arch and machine.in_check]
    if iommu is not None:
        find_variant(iommu, arch)
        candidates = [machine for machine in candidates if machine.iommu == iommu]
    chosen = [machine for machine in candidates if matching(machine, pattern)]
    if pattern is not None and not chosen:
        tests = {test for machine in candidates for test in machine.tests}
        raise unknown("TEST", pattern, [*tests, *(machine.name for machine in candidates)])
    return chosen


def matching(machine: Machine, pattern: str | None) -> list[str]:
    """The machine's tests that match; all of them if its name does."""
    if pattern is None or pattern in machine.name:
        return list(machine.tests)
    return [test for test in machine.tests if pattern in test]
