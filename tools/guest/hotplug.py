# SPDX-License-Identifier: GPL-2.0
"""What a guest asks of the host to have disks plugged in and unplugged: for
Machine.actions. The device is called "plugged"; device_del of actions.py has
the guest asked to let it go.
"""

from typing import Any

from .machine import Action
from .qemu import Host

DEVICE, NODE, MIB = "plugged", "plugged-disk", 1024
NVME: dict[str, Any] = {"driver": "nvme", "serial": "p"}
VIRTIO_ATS: dict[str, Any] = {
    "driver": "virtio-blk-pci",
    "ats": True,
    "iommu_platform": True,
    "disable-legacy": "on",
}


def plug(host: Host, arguments: list[str]) -> str:
    """plug PORT: a disk appears below that port, with nothing on it. Where the IOMMU
    has device TLBs, the disk has one."""
    (port,) = arguments
    image = host.folder / "plugged.img"
    with open(image, "wb") as file:
        file.truncate(MIB << 20)
    node = {"node-name": NODE, "driver": "raw"}
    file_below = {"driver": "file", "filename": str(image)}
    host.qmp.command("blockdev-add", file=file_below, **node)
    disk = VIRTIO_ATS if host.machine.iommu == "ats" else NVME
    host.qmp.command("device_add", id=DEVICE, bus=port, drive=NODE, **disk)
    return ""


def unplugged(host: Host, _arguments: list[str]) -> str:
    """Waits until the guest has let the disk go, and forgets it."""
    # What is inside the device has events of its own.
    while host.qmp.wait_event("DEVICE_DELETED")["data"].get("device") != DEVICE:
        pass
    host.qmp.command("blockdev-del", **{"node-name": NODE})
    return ""


ACTIONS: dict[str, Action] = {"plug": plug, "unplugged": unplugged}
