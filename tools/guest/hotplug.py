# SPDX-License-Identifier: GPL-2.0
"""What a guest asks of the host to have disks plugged in and unplugged: for
Machine.actions. The device is called "plugged"; device_del of actions.py has
the guest asked to let it go.
"""

from .machine import Action
from .qemu import Host

DEVICE, NODE, MIB = "plugged", "plugged-disk", 1024


def plug(host: Host, arguments: list[str]) -> str:
    """plug PORT: an NVMe disk appears below that port, with nothing on it."""
    (port,) = arguments
    image = host.folder / "plugged.img"
    with open(image, "wb") as file:
        file.truncate(MIB << 20)
    node = {"driver": "raw", "file": {"driver": "file", "filename": str(image)}}
    host.qmp.command("blockdev-add", node_name=NODE, **node)
    host.qmp.command("device_add", driver="nvme", id=DEVICE, bus=port, drive=NODE, serial="p")
    return ""


def unplugged(host: Host, _arguments: list[str]) -> str:
    """Waits until the guest has let the disk go, and forgets it."""
    host.qmp.wait_event("DEVICE_DELETED")
    # The disk inside has an event of its own.
    host.qmp.events.clear()
    host.qmp.command("blockdev-del", node_name=NODE)
    return ""


ACTIONS: dict[str, Action] = {"plug": plug, "unplugged": unplugged}
