# SPDX-License-Identifier: GPL-2.0
"""What a test machine is. `machines.py` declares the ones there are."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import pins
from .devices import Device

if TYPE_CHECKING:
    from .evidence import Evidence
    from .qemu import Host

# A judgement made on the host after the run: (name, passed, what was seen).
Verdict = tuple[str, bool, str]
Check = Callable[["Evidence"], Iterable[Verdict]]
# What `host NAME ARGS...` in a guest script makes the host do; returns the answer.
Action = Callable[["Host", list[str]], str]


@dataclass(frozen=True)
class Machine:
    """A machine, what is loaded and run in it, and what must come out."""

    name: str
    summary: str
    # Scripts tests/guest/<name>.sh, run in this order.
    tests: tuple[str, ...]

    arch: str = "x86_64"
    # A name of kernels.py, whose `booting` sets it; and those it may be set to.
    kernel: str = pins.DEFAULT
    kernels: tuple[str, ...] = pins.ALL
    # A name of variants.py.
    iommu: str = "legacy"
    devices: tuple[Device, ...] = ()
    memory: str = "1G"
    cpus: int = 2
    # Further QEMU arguments, and a -machine property or two.
    qemu: tuple[str, ...] = ()
    machine_options: str = ""
    # True: a nanosecond of the guest is one instruction of it, on any host.
    icount: bool = False
    # False: without QEMU's trace, which takes time.
    traced: bool = True
    # How the built-in C driver is told to stay away, and further words.
    builtin_driver: str = "intel_iommu=off intremap=off"
    cmdline: str = ""

    # Modules loaded at boot, in this order, before the devices' own drivers; a
    # string may carry parameters: "rust_iommu strict=1". Stock modules may be
    # named as well, and bring what they depend on.
    load: tuple[str, ...] = ()
    # Modules only put in the guest, for its scripts to `load`.
    include: tuple[str, ...] = ()
    # False: the devices' drivers are put in the guest but not loaded.
    load_drivers: bool = True
    # Those of `load` that must refuse, with a piece of the message they log.
    refuses: dict[str, str] = field(default_factory=dict)
    # Files for the guest: path there -> path in the clone.
    files: dict[str, str] = field(default_factory=dict)
    # Programs for the guest: tests/programs/<name>.c, as /bin/<name> there.
    programs: tuple[str, ...] = ()
    # Settings for the guest's scripts, as shell variables.
    settings: dict[str, str] = field(default_factory=dict)
    # ACPI tables the kernel shall use instead of the firmware's: signature in
    # lower case -> its bytes, e.g. {"dmar": make_dmar(...)}.
    acpi_tables: dict[str, bytes] = field(default_factory=dict)

    # Seconds, for what hangs: most end in 20 on an idle host, which not every host is.
    time_limit: int = 300
    checks: tuple[Check, ...] = ()
    actions: dict[str, Action] = field(default_factory=dict)
    # Regular expressions for kernel complaints that belong to the test.
    expected_splats: tuple[str, ...] = ()
    # Locks, by lockdep's names, that the kernel itself takes in a circle. Lockdep may
    # report it, and checks nothing after that.
    lock_circles: tuple[frozenset[str], ...] = ()
    # False: started only when named, not by `check`.
    in_check: bool = True

    def modules(self) -> list[str]:
        """Every module the guest gets, without parameters."""
        drivers = [driver for device in self.devices for driver in device.drivers]
        named = [line.split()[0] for line in self.load]
        return list(dict.fromkeys([*named, *self.include, *drivers]))

    def boot_load(self) -> list[str]:
        """What init loads, in order, with parameters."""
        drivers = [driver for device in self.devices for driver in device.drivers]
        return list(dict.fromkeys([*self.load, *(drivers if self.load_drivers else [])]))
