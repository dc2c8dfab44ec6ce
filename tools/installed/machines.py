# SPDX-License-Identifier: GPL-2.0
"""The installed machines: their disks, and what each boot of them checks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Installed:
    """A machine that starts from its disks, and its boots in order.

    A boot is one or more scripts of tests/installed/, joined by "+". Each but the last
    ends with a reboot, through the firmware and GRUB.
    """

    name: str
    summary: str
    # Images of the layer (tools/env.d/make-installed); the first is started from.
    disks: tuple[str, ...]
    boots: tuple[str, ...]
    # Whether it gets a key to sign modules with.
    key: bool = False


MACHINES: tuple[Installed, ...] = (
    Installed(
        "installed-nvme",
        "Debian, root on NVMe",
        disks=("nvme",),
        boots=("install", "translated", "again+refuse", "refused+purge", "removed"),
        key=True,
    ),
    Installed(
        "installed-raid",
        "Debian, root on LVM over md RAID1 over two disks",
        disks=("raid-0", "raid-1"),
        boots=("install", "translated+dracut", "dracut_made+again+purge", "removed"),
    ),
)
