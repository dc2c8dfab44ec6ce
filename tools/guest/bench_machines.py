# SPDX-License-Identifier: GPL-2.0
"""The machines of `make bench`: the same stock kernel and benchmark module over our
driver, over the kernel's own, and over an IOMMU that does nothing. They differ in
nothing but that.

Two kinds: one counts instructions, on one CPU; in the other two CPUs run as fast as
the host lets them, and the machines take turns.
"""

from collections.abc import Iterable
from dataclasses import replace

from .devices import testdev
from .evidence import Evidence
from .machine import Machine, Verdict
from .qemu import Host

TESTDEV = "0000:00:0a.0"
# Rounds of each call; the median is taken.
ROUNDS = 51
# Turns of a race, and how long each of its four parts is, in milliseconds.
TURNS = 15
RACE_MS = 250

# Under which driver, by the names that results have.
OURS, BUILTIN, FLOOR = "ours", "builtin", "floor"


def alone(_host: Host, _arguments: list[str]) -> str:
    """turn take|give, for a machine that runs alone: it is always its turn."""
    return ""


def no_faults(evidence: Evidence) -> Iterable[Verdict]:
    """The device does no DMA: a fault would be measured, too."""
    faults = evidence.trace.faults
    yield "no DMA while it is measured", not faults, f"{len(faults)} faults"


_COUNTING = Machine(
    f"bench-{OURS}",
    "instructions of the IOMMU and DMA APIs over our driver",
    tests=("bench",),
    devices=(testdev(address="0a.0"),),
    icount=True,
    cpus=1,
    # The clock is the counter of instructions, and no watchdog doubts it.
    cmdline="iommu.strict=1 tsc=reliable clocksource=tsc",
    load=("rust_iommu", "rust_vtd"),
    include=("rust_iommu_bench",),
    files={"devices.sh": "tests/guest/lib/devices.sh", "bench.sh": "tests/guest/lib/bench.sh"},
    settings={"TESTDEV": TESTDEV, "ROUNDS": str(ROUNDS)},
    checks=(no_faults,),
    memory="2G",
    in_check=False,
)

_RACING = replace(
    _COUNTING,
    name=f"race-{OURS}",
    summary="pages that one and two CPUs map and unmap over our driver",
    tests=("race",),
    icount=False,
    traced=False,
    cpus=2,
    cmdline="iommu.strict=1",
    settings={"TESTDEV": TESTDEV, "TURNS": str(TURNS), "RACE_MS": str(RACE_MS)},
    checks=(),
    actions={"turn": alone},
)


def _builtin(machine: Machine) -> Machine:
    return replace(
        machine,
        name=machine.name.replace(OURS, BUILTIN),
        summary=machine.summary.replace("our driver", "the kernel's own driver"),
        builtin_driver="intel_iommu=on,sm_on",
        # The consumer API, which the benchmark uses, is in it.
        load=("rust_iommu",),
    )


COUNTING = {
    OURS: _COUNTING,
    BUILTIN: _builtin(_COUNTING),
    FLOOR: replace(
        _COUNTING,
        name=f"bench-{FLOOR}",
        summary="instructions of the IOMMU and DMA APIs over a driver that does nothing",
        load=("rust_iommu", "rust_iommu_floor"),
    ),
}
RACING = {OURS: _RACING, BUILTIN: _builtin(_RACING)}

MACHINES: tuple[Machine, ...] = (*COUNTING.values(), *RACING.values())
