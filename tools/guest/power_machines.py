# SPDX-License-Identifier: GPL-2.0
"""Machines that sleep."""

import threading

from .devices import nvme, raw, testdev
from .machine import Action, Machine
from .qemu import Host
from .vtd_checks import faults_as_told, only_known_descriptors, translated_in, when
from .vtd_machines import NVME, TESTDEV, both, slot, vtd


def wake_when_asleep(host: Host, arguments: list[str]) -> str:
    """wake_when_asleep: once the machine sleeps, wakes it. The answer comes before,
    as it would be lost in the sleep."""
    if arguments:
        raise ValueError("wake_when_asleep takes no arguments")
    qmp = host.qmp

    def wake() -> None:
        qmp.wait_event("SUSPEND")
        qmp.command("system_wakeup")

    threading.Thread(target=wake, daemon=True).start()
    return ""


def quit_machine(host: Host, arguments: list[str]) -> str:
    """quit: ends the machine, which cannot turn itself off."""
    if arguments:
        raise ValueError("quit takes no arguments")
    host.qmp.command("quit")
    return ""


# A root port, and below it one that has access control, too: QEMU's switches have none.
PORTS = ("0000:00:10.0", "0000:01:00.0")

ACTIONS: dict[str, Action] = {"wake_when_asleep": wake_when_asleep, "quit": quit_machine}

MACHINES: tuple[Machine, ...] = both(
    vtd(
        "vtd-sleep",
        "suspend to RAM under a mounted disk, and ports that are reset",
        ("sleep", "acs_kept"),
        devices=(
            nvme(address=slot(NVME), mib=64),
            testdev(address=slot(TESTDEV)),
            raw(
                *("-device", f"pcie-root-port,id=port1,chassis=1,slot=1,addr={slot(PORTS[0])}"),
                *("-device", "pcie-root-port,id=port2,chassis=2,slot=2,bus=port1"),
            ),
        ),
        load=("rust_iommu", "rust_vtd", "ecam_resume"),
        include=("rust_iommu_dmatest", "ext4"),
        settings={"ENDED_BY": "host", "PORTS": " ".join(PORTS)},
        actions=ACTIONS,
        checks=(
            only_known_descriptors,
            faults_as_told,
            when(
                "sleep",
                translated_in(NVME, (None, "asleep"), ("awake", None)),
            ),
        ),
    )
)
