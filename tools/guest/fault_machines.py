# SPDX-License-Identifier: GPL-2.0
"""Machines whose devices do more wrong than the unit can record."""

from . import vtd_checks
from .devices import nvme, testdev
from .machine import Machine
from .vtd_machines import NVME, TESTDEV, slot, vtd

SECOND, THIRD = "0000:00:0b.0", "0000:00:0c.0"

MACHINES: tuple[Machine, ...] = (
    vtd(
        "vtd-storm",
        "100,000 faults at once, and a record that overflows",
        ("storm",),
        settings={"FAULTS": "100000", "SECOND": SECOND, "THIRD": THIRD},
        devices=(
            nvme(address=slot(NVME), mib=64),
            testdev(address=slot(TESTDEV)),
            testdev(address=slot(SECOND)),
            testdev(address=slot(THIRD)),
        ),
        cmdline="iommu.strict=1",
        # Not those that look at single faults, nor at QEMU's complaint of them.
        checks=(vtd_checks.only_known_descriptors, vtd_checks.off_at_the_end),
    ),
)
