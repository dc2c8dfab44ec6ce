# SPDX-License-Identifier: GPL-2.0
"""The kernels a machine can boot, and what booting another changes about it."""

from dataclasses import dataclass, field, replace

from . import pins
from .errors import unknown
from .machine import Machine


@dataclass(frozen=True)
class Kernel:
    """A kernel of tools/env."""

    name: str
    summary: str
    cmdline: str = ""
    # How many times longer everything may take than on a stock kernel.
    slowness: int = 1
    # Seconds until it starts init, at most, and those between two of its lines till then: for
    # what hangs before that. On two busy CPUs it takes 10 to 30, and is quiet for a few.
    boot_limit: int = 150
    boot_silence: int = 40
    # Settings of scripts that are others than on a stock kernel, where there are such.
    settings: dict[str, str] = field(default_factory=dict)
    # Scripts that every machine runs at its end, whatever is asked for; and their files.
    closing: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        *(Kernel(name, "the distribution's, unmodified") for name in pins.STOCK),
        Kernel(
            pins.DEBUG,
            "of the default's source, checking itself (tools/env.d/debug.config)",
            # A complaint ends the machine where it is; the log says what it was. (Not
            # iommu.debug_pagealloc: it complains of every mapping of address 0, as those
            # for ISA bridges are.) Without no5lvl, an interrupt while the boot processor
            # is identified finds page tables of four levels, and KASAN wild addresses.
            cmdline="panic_on_warn=1 kunit.enable=1 no5lvl",
            slowness=8,
            # It takes 20 to 60.
            boot_limit=300,
            boot_silence=120,
            # The same tests with less data and fewer rounds: it is for what every single
            # access does wrong. (vtd-storm still overflows its unit.)
            settings={
                "DISK_MIB": "1",
                "NETWORK_MIB": "1",
                "ROUNDS": "500",
                "CYCLES": "5",
                "FAULTS": "5000",
            },
            closing=("leaks",),
            files={
                "devices.sh": "tests/guest/lib/devices.sh",
                "pages.sh": "tests/guest/lib/pages.sh",
            },
        ),
    )
}


def find(name: str) -> Kernel:
    """The kernel of that name; an error lists the known ones."""
    if name not in KERNELS:
        raise unknown("KERNEL", name, list(KERNELS))
    return KERNELS[name]


def booting(machine: Machine, name: str) -> Machine:
    """The machine with that kernel instead of the default one."""
    kernel = find(name)
    return replace(
        machine,
        kernel=name,
        cmdline=f"{machine.cmdline} {kernel.cmdline}".strip(),
        time_limit=machine.time_limit * kernel.slowness,
        tests=(*machine.tests, *kernel.closing),
        files={**machine.files, **kernel.files},
        settings={
            **machine.settings,
            **{name: kernel.settings[name] for name in kernel.settings.keys() & machine.settings},
            "SLOWNESS": str(kernel.slowness),
        },
    )
