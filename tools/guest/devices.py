# SPDX-License-Identifier: GPL-2.0
"""Devices a machine can be given: QEMU's arguments, the drivers, the disks."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Device:
    """A device, or several that belong together."""

    qemu: tuple[str, ...]
    # Stock drivers, put in the guest and (unless the machine says otherwise)
    # loaded after the machine's own modules.
    drivers: tuple[str, ...] = ()
    # Disks by QEMU id, with their size in MiB: fresh and empty in each run.
    disks: dict[str, int] = field(default_factory=dict)


def _disk(drive: str, mib: int) -> dict[str, int]:
    return {drive: mib}


def nvme(drive: str = "nvme0", address: str = "", mib: int = 128) -> Device:
    """An NVMe disk; `address` as in "4" or "4.0"."""
    place = f",addr={address}" if address else ""
    return Device(
        ("-device", f"nvme,drive={drive},serial={drive}{place}"), ("nvme",), _disk(drive, mib)
    )


def ahci_disk(drive: str = "sata0", mib: int = 128) -> Device:
    """A disk at q35's built-in AHCI controller (00:1f.2)."""
    return Device(
        ("-device", f"ide-hd,drive={drive},bus=ide.0"), ("ahci", "sd_mod"), _disk(drive, mib)
    )


def usb_disk(drive: str = "usb0", address: str = "", mib: int = 128) -> Device:
    """A USB stick at an xHCI controller of its own."""
    place = f",addr={address}" if address else ""
    return Device(
        (
            *("-device", f"qemu-xhci,id={drive}-bus{place}"),
            *("-device", f"usb-storage,bus={drive}-bus.0,drive={drive}"),
        ),
        ("xhci_pci", "usb_storage", "sd_mod"),
        _disk(drive, mib),
    )


def network_pair(first: str = "", second: str = "") -> Device:
    """Two e1000e cards whose wires are joined; the arguments are PCI addresses."""
    words: list[str] = []
    for index, address in enumerate((first, second)):
        place = f",addr={address}" if address else ""
        words += ["-netdev", f"hubport,id=hub{index},hubid=0"]
        words += ["-device", f"e1000e,netdev=hub{index}{place}"]
    return Device(tuple(words), ("e1000e",))


def testdev(address: str = "", count: int = 1) -> Device:
    """QEMU's iommu-testdev: DMA to any address on command. No stock driver."""
    place = f",addr={address}" if address else ""
    return Device(("-device", f"iommu-testdev{place}") * count)


def raw(*words: str, drivers: tuple[str, ...] = (), disks: dict[str, int] | None = None) -> Device:
    """Whatever has no function here."""
    return Device(words, drivers, disks or {})
