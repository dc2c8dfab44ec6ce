# SPDX-License-Identifier: GPL-2.0
"""Machines whose unit or whose devices were used before our driver has them."""

from . import checks, dmar, vtd_checks
from .devices import network_pair, nvme, testdev
from .machine import Machine
from .vtd_checks import when
from .vtd_machines import CARDS, NVME, TESTDEV, slot, vtd

SECOND = "0000:00:0b.0"

# Memory that the kernel leaves alone, and that nobody has written before: the kernel looks for a
# unit there when it boots, and is to find none.
SECOND_UNIT = 0x20000000


def left_running(queue: str, summary: str) -> Machine:
    """A machine whose unit translates, with its queue in that state."""
    return vtd(
        f"vtd-left-{queue}",
        f"a unit that was left translating, its queue {summary}",
        ("left_running", "forbidden"),
        settings={"QUEUE": queue, "UNIT": f"{dmar.UNIT:#x}"},
        devices=(nvme(address=slot(NVME), mib=64), testdev(address=slot(TESTDEV))),
        load=(),
        load_drivers=False,
        include=("rust_iommu", "rust_vtd", "rust_iommu_dmatest", "vtd_left_running"),
        cmdline="iommu.strict=1",
        checks=(
            vtd_checks.faults_as_told,
            vtd_checks.off_at_the_end,
            when("left_running", checks.translated(NVME)),
        ),
    )


# A second unit is memory: vtd_in_memory makes one of it, for SECOND.
TAKEOVER = vtd(
    "vtd-takeover",
    "loading under devices in use, under drivers that bind meanwhile, and in vain",
    ("busy", "window", "loading_fails", "held_by_vfio"),
    settings={
        "UNIT": f"{dmar.UNIT:#x}",
        "SECOND_UNIT": f"{SECOND_UNIT:#x}",
        "SECOND": SECOND,
    },
    devices=(
        nvme(address=slot(NVME), mib=64),
        network_pair(*(slot(card) for card in CARDS)),
        testdev(address=slot(TESTDEV)),
        testdev(address=slot(SECOND)),
    ),
    load=(),
    include=(
        *("rust_iommu", "rust_vtd", "rust_iommu_floor", "registration", "vtd_in_memory"),
        *("ext4", "vfio_iommu_type1", "vfio_pci"),
    ),
    programs=("finit_module", "vfio_hold"),
    acpi_tables={
        "dmar": dmar.table(
            dmar.unit(dmar.UNIT, *(dmar.endpoint(each) for each in (NVME, *CARDS, TESTDEV))),
            dmar.unit(SECOND_UNIT, include_all=True),
        )
    },
    cmdline=f"iommu.strict=1 memmap=64K${SECOND_UNIT:#x}",
    checks=(
        checks.no_complaints,
        vtd_checks.only_known_descriptors,
        vtd_checks.faults_as_told,
        vtd_checks.off_at_the_end,
        when("busy", checks.translated(NVME)),
        when("window", checks.translated(TESTDEV)),
    ),
)

MACHINES: tuple[Machine, ...] = (
    TAKEOVER,
    left_running("on", "on"),
    left_running("stopped", "stopped at a descriptor that it refuses"),
    left_running("off", "off after an error that is still told"),
)
