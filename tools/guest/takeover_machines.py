# SPDX-License-Identifier: GPL-2.0
"""Machines whose unit was used before our driver has it."""

from . import checks, dmar, vtd_checks
from .devices import nvme, testdev
from .machine import Machine
from .vtd_checks import when
from .vtd_machines import NVME, TESTDEV, slot, vtd


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


MACHINES: tuple[Machine, ...] = (
    left_running("on", "on"),
    left_running("stopped", "stopped at a descriptor that it refuses"),
    left_running("off", "off after an error that is still told"),
)
