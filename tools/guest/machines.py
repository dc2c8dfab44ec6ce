# SPDX-License-Identifier: GPL-2.0
"""The declared test machines. `python3 -m guest list` prints them.

What the fields mean is in machine.py, devices to choose from are in devices.py,
IOMMUs in variants.py. Give devices that a test names by requester an address.
"""

from . import (
    bench_machines,
    checks,
    debug_machines,
    fault_machines,
    firmware_machines,
    kernels,
    pins,
    power_machines,
    takeover_machines,
    vtd_machines,
)
from .devices import nvme
from .errors import UsageError, unknown
from .machine import Machine
from .variants import find as find_variant

MACHINES: tuple[Machine, ...] = (
    Machine(
        "smoke",
        "the kernel and this harness, without any module of ours",
        tests=("smoke",),
        devices=(nvme(address="4"),),
        checks=(checks.iommu_untouched,),
    ),
    # Some take long: nobody has to wait for them in the end.
    *debug_machines.MACHINES,
    *vtd_machines.MACHINES,
    *firmware_machines.MACHINES,
    *takeover_machines.MACHINES,
    *power_machines.MACHINES,
    *fault_machines.MACHINES,
    *bench_machines.MACHINES,
)


def find(name: str, kernel: str = pins.DEFAULT) -> Machine:
    """The machine of that name, booting that kernel; an error lists the known ones."""
    kernels.find(kernel)
    for machine in MACHINES:
        if machine.name == name:
            if kernel not in machine.kernels:
                raise UsageError(
                    f"machine {name} needs KERNEL={'|'.join(machine.kernels)}, not {kernel}"
                )
            return kernels.booting(machine, kernel)
    raise unknown("machine", name, [machine.name for machine in MACHINES])


def select(
    arch: str,
    iommu: str | None = None,
    pattern: str | None = None,
    kernel: str = pins.DEFAULT,
) -> list[Machine]:
    """The machines `check` runs: those of the architecture and the kernel, of the IOMMU
    variant if one is given, and with a test (or a name) that has `pattern` in it."""
    kernels.find(kernel)
    candidates = [
        kernels.booting(machine, kernel)
        for machine in MACHINES
        if machine.arch == arch and machine.in_check and kernel in machine.kernels
    ]
    if iommu is not None:
        find_variant(iommu, arch)
        candidates = [machine for machine in candidates if machine.iommu == iommu]
    chosen = [machine for machine in candidates if matching(machine, pattern)]
    if pattern is not None and not chosen:
        tests = {test for machine in candidates for test in machine.tests}
        raise unknown("TEST", pattern, [*tests, *(machine.name for machine in candidates)])
    return chosen


def matching(machine: Machine, pattern: str | None) -> list[str]:
    """The machine's tests that match; all of them if its name does. With the tests
    that its kernel has every machine end with."""
    if pattern is None or pattern in machine.name:
        return list(machine.tests)
    closing = kernels.find(machine.kernel).closing
    chosen = [test for test in machine.tests if pattern in test]
    return list(dict.fromkeys([*chosen, *closing])) if chosen else []
