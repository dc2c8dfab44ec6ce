# SPDX-License-Identifier: GPL-2.0
"""The machines that test the VT-d driver. Most come twice: strict, where each
unmap waits for its invalidation, and lazy, where a timer invalidates for many.
"""

from dataclasses import replace
from typing import Any

from . import checks, hotplug, vtd_checks
from .devices import Device, ahci_disk, network_pair, nvme, raw, testdev, usb_disk
from .machine import Check, Machine
from .trace import Inv
from .twin import groups_as_builtin
from .vtd_checks import when

NVME, AHCI, XHCI = "0000:00:04.0", "0000:00:1f.2", "0000:00:06.0"
CARDS = ("0000:00:08.0", "0000:00:09.0")
TESTDEV = "0000:00:0a.0"

# Settings of the scripts in tests/guest; a machine changes some.
SETTINGS = {
    "DRIVER": "ours",
    "DISKS": f"{NVME} {AHCI} {XHCI}",
    "DISK": NVME,
    "DISK_MIB": "4",
    "CARDS": " ".join(CARDS),
    "NETWORK_MIB": "4",
    "TESTDEV": TESTDEV,
    "ROUNDS": "10000",
    "GROUP_TYPE": "DMA",
    "FLUSH": "strict",
}

# What holds for every machine with our driver, whatever it runs.
ALWAYS: tuple[Check, ...] = (
    checks.no_complaints,
    vtd_checks.only_known_descriptors,
    vtd_checks.faults_as_told,
    vtd_checks.off_at_the_end,
    when("counts", *vtd_checks.statistics_agree),
)
SAME_GROUPS = when("groups", groups_as_builtin)
ALL_TRANSLATED = (
    when("disks", checks.translated(NVME, AHCI, XHCI)),
    when("network", checks.translated(*CARDS)),
    when("forbidden", checks.translated(TESTDEV)),
)

# Lines at the level of an error that a script provokes, by script.
FAULT_OF_TESTDEV = (
    rf"rust_iommu: dmar0: fault: {TESTDEV} \(requester {TESTDEV[5:]}\), write at IOVA .*"
)
EXPECTED_ERRORS = {"forbidden": (FAULT_OF_TESTDEV,)}

EVERYTHING = (
    *("counting", "groups", "disks", "network"),
    *("commands", "forbidden", "parallel", "counts"),
)


def slot(function: str) -> str:
    """A function's address in the root bus as QEMU takes it: "0a.0"."""
    return function.rpartition(":")[2]


def all_devices(mib: int) -> tuple[Device, ...]:
    """Three kinds of disk, two network cards, and the test device."""
    return (
        nvme(address=slot(NVME), mib=mib),
        ahci_disk(mib=mib),
        usb_disk(address=slot(XHCI), mib=mib),
        network_pair(*(slot(card) for card in CARDS)),
        testdev(address=slot(TESTDEV)),
    )


def vtd(
    name: str,
    summary: str,
    tests: tuple[str, ...],
    settings: dict[str, str] | None = None,
    more_checks: tuple[Check, ...] = (),
    enabled: int = 1,
    **fields: Any,
) -> Machine:
    """A machine whose VT-d is ours, and is enabled that many times."""
    machine = Machine(
        name,
        summary,
        tests,
        devices=all_devices(mib=64),
        load=("rust_iommu", "rust_vtd"),
        include=("rust_iommu_dmatest",),
        files={
            "devices.sh": "tests/guest/lib/devices.sh",
            "data.sh": "tests/guest/lib/data.sh",
            "dmatest.sh": "tests/guest/lib/dmatest.sh",
            "registers.sh": "tests/guest/lib/registers.sh",
            "events.sh": "tests/guest/lib/events.sh",
            "config.sh": "tests/guest/lib/config.sh",
            "drivers.sh": "tests/guest/lib/drivers.sh",
        },
        settings={**SETTINGS, **(settings or {})},
        checks=(*ALWAYS, vtd_checks.global_once(enabled), SAME_GROUPS, *more_checks),
    )
    return replace(machine, **fields)


def both(machine: Machine, strict: str = "DMA", lazy: str = "DMA-FQ") -> tuple[Machine, ...]:
    """The machine twice, strict and lazy, with the types that groups then have."""
    return tuple(
        replace(
            machine,
            name=f"{machine.name}-{flush}",
            cmdline=f"iommu.strict={int(flush == 'strict')} {machine.cmdline}".strip(),
            settings={**machine.settings, "FLUSH": flush, "GROUP_TYPE": group_type},
        )
        for flush, group_type in (("strict", strict), ("lazy", lazy))
    )


def quiet(*machines: Machine) -> tuple[Machine, ...]:
    """The machines, whose kernel must log no error that no script provokes."""
    return tuple(
        replace(
            machine,
            settings={**machine.settings, "ERRORS": "1"},
            checks=(*machine.checks, checks.only_expected_errors(EXPECTED_ERRORS)),
        )
        for machine in machines
    )


SHOWCASE = vtd(
    "showcase",
    "three disks and two network cards through our VT-d driver",
    ("counting", "groups", "disks", "network", "forbidden", "counts"),
    # Lazy is what Debian's kernel does if it is told nothing.
    settings={
        "DISK_MIB": "64",
        "NETWORK_MIB": "64",
        "FLUSH": "lazy",
        "GROUP_TYPE": "DMA-FQ",
    },
    # No comparison of groups here: it boots the machine a second time.
    checks=(*ALWAYS, vtd_checks.global_once(1), *ALL_TRANSLATED),
    devices=all_devices(mib=128),
)

LEGACY = both(
    vtd(
        "vtd-legacy",
        "48-bit addresses, tables of four levels: everything",
        EVERYTHING,
        more_checks=ALL_TRANSLATED,
    )
)
CACHING = both(
    vtd(
        "vtd-caching",
        "caching mode: maps are invalidated too, and there is no lazy",
        EVERYTHING,
        # Fewer than elsewhere: each map is invalidated as well, and QEMU writes a line for each.
        settings={"ROUNDS": "4000"},
        more_checks=ALL_TRANSLATED,
        iommu="caching-mode",
    ),
    lazy="DMA",
)
AW39 = both(
    vtd(
        "vtd-aw39",
        "39-bit addresses, tables of three levels",
        EVERYTHING,
        more_checks=ALL_TRANSLATED,
        iommu="aw39",
    )
)
IDENTITY = both(
    vtd(
        "vtd-pt",
        "iommu=pt: DMA passes through, until a group is switched",
        ("groups", "disks", "network", "identity"),
        more_checks=(when("identity", vtd_checks.translated_from(NVME, "released")),),
        cmdline="iommu=pt",
    ),
    strict="identity",
    lazy="identity",
)


def exact(name: str, iommu: str, *map_sends: Inv) -> Machine:
    """A machine with nothing but the test device, so that all there is in the
    trace is its doing."""
    return vtd(
        name,
        "unmaps of known sizes send just what they take",
        ("groups", "gfp", "exactness", "counts"),
        more_checks=(
            when("exactness", vtd_checks.unmaps_exact, vtd_checks.map_sends(*map_sends)),
        ),
        iommu=iommu,
        devices=(testdev(address=slot(TESTDEV)),),
        cmdline="iommu.strict=1",
    )


EXACT = (
    exact("vtd-exact", "legacy"),
    exact("vtd-exact-caching", "caching-mode", Inv.IOTLB_PAGES, Inv.WAIT),
)

ATS_DISK = "0000:01:00.0"
# Its ATS capability does not say that it asks for whole pages.
UNALIGNED = "0000:02:00.0"
ATS = both(
    vtd(
        "vtd-ats",
        "a disk whose device has a TLB of its own",
        ("counting", "groups", "ats", "counts"),
        settings={"DISK": ATS_DISK, "UNALIGNED": UNALIGNED},
        more_checks=(
            when(
                "ats",
                vtd_checks.device_tlb_after_iotlb(
                    ATS_DISK, ("translated", "switched"), ("again", "done")
                ),
            ),
        ),
        iommu="ats",
        devices=(
            raw(
                *("-device", "pcie-root-port,id=port1,chassis=1,slot=1,addr=10"),
                "-device",
                "virtio-blk-pci,drive=virtio0,bus=port1,ats=on,iommu_platform=on,disable-legacy=on",
                drivers=("virtio_blk",),
                disks={"virtio0": 64},
            ),
            raw(
                *("-device", "pcie-root-port,id=port2,chassis=2,slot=2,addr=11"),
                "-device",
                "virtio-rng-pci,bus=port2,ats=on,x-ats-page-aligned=off,iommu_platform=on,"
                "disable-legacy=on",
            ),
        ),
    )
)

# The kernel asks for it on behalf of VFIO and iommufd only; here the consumer does.
SNOOP = vtd(
    "vtd-snoop",
    "a unit that can force accesses to snoop the CPU caches, and does where it is asked to",
    ("counting", "groups", "disks", "network", "forbidden", "snoop", "counts"),
    more_checks=(*ALL_TRANSLATED, when("snoop", vtd_checks.snooped_between(TESTDEV))),
    iommu="snoop",
    cmdline="iommu.strict=1",
)

BRIDGE = both(
    vtd(
        "vtd-bridge",
        "two functions behind a PCIe-to-PCI bridge: one group, one requester",
        ("groups", "disks", "network", "counts"),
        settings={
            "DISKS": NVME,
            "CARDS": "0000:01:01.0 0000:01:02.0",
            "TOGETHER": "0000:00:08.0 0000:01:01.0 0000:01:02.0",
        },
        # Behind such a bridge every request is the secondary bus's device 0.
        more_checks=(when("network", checks.translated("01:00.0")),),
        devices=(
            nvme(address=slot(NVME), mib=64),
            raw(
                *("-device", "pcie-pci-bridge,id=bridge,addr=8"),
                *("-netdev", "hubport,id=hub0,hubid=0", "-netdev", "hubport,id=hub1,hubid=0"),
                *("-device", "e1000,netdev=hub0,bus=bridge,addr=1"),
                *("-device", "e1000,netdev=hub1,bus=bridge,addr=2"),
                drivers=("e1000",),
            ),
        ),
    )
)

ALIAS = both(
    vtd(
        "vtd-alias",
        "two test devices behind a PCIe-to-PCI bridge: one's unmaps and removal, the other's DMA",
        ("groups", "alias", "counts"),
        settings={
            "NEAR": "0000:01:01.0",
            "FAR": "0000:01:02.0",
            "TOGETHER": "0000:00:08.0 0000:01:01.0 0000:01:02.0",
        },
        more_checks=(
            when(
                "alias",
                checks.translated("01:00.0"),
                vtd_checks.entry_goes_once("01:00.0", "begin", "one-left", "none-left"),
            ),
        ),
        devices=(
            raw(
                *("-device", "pcie-pci-bridge,id=bridge,addr=8"),
                *("-device", "iommu-testdev,bus=bridge,addr=1"),
                *("-device", "iommu-testdev,bus=bridge,addr=2"),
            ),
        ),
    )
)

# Built-in drivers (pcieport, virtio_pci, 8250_pci) are bound before ours loads.
SWITCH = both(
    vtd(
        "vtd-switch",
        "disks behind a switch and a root port, and drivers that are bound at boot",
        ("groups", "disks", "counts"),
        # QEMU's switch has no ACS: what is behind one port can reach what is behind another.
        # The kernel's own driver does not see that.
        settings={
            "DISKS": "0000:03:00.0 0000:04:00.0 0000:05:00.0",
            "TOGETHER": "0000:02:00.0 0000:02:01.0 0000:03:00.0 0000:04:00.0",
            "APART": "0000:03:00.0 0000:05:00.0",
        },
        checks=(
            *ALWAYS,
            vtd_checks.global_once(1),
            when("disks", checks.translated("03:00.0", "04:00.0", "05:00.0")),
        ),
        devices=(
            raw(
                *("-device", "pcie-root-port,id=port1,chassis=1,slot=1,addr=10"),
                *("-device", "x3130-upstream,id=up,bus=port1"),
                *("-device", "xio3130-downstream,id=down1,bus=up,chassis=2,slot=2"),
                *("-device", "xio3130-downstream,id=down2,bus=up,chassis=3,slot=3"),
                *("-device", "nvme,drive=nvme0,serial=a,bus=down1"),
                *("-device", "nvme,drive=nvme1,serial=b,bus=down2"),
                *("-device", "pcie-root-port,id=port2,chassis=4,slot=4,addr=11"),
                "-device",
                "virtio-blk-pci,drive=virtio0,bus=port2,iommu_platform=on,disable-legacy=on",
                *("-device", "pci-serial,addr=12"),
                drivers=("nvme", "virtio_blk"),
                disks={"nvme0": 64, "nvme1": 64, "virtio0": 64},
            ),
        ),
    )
)

PLUGS = {"port1": "0000:01:00.0", "port2": "0000:02:00.0"}


def plugging(
    driver: str, name: str = "", disk: str = "nvme", cycles: int = 20, **fields: Any
) -> Machine:
    """A machine with two root ports, at which `driver` sees disks come and go."""
    return vtd(
        f"vtd-{name or driver}",
        f"disks are plugged in, and unplugged under I/O, through {driver}",
        ("counting", "groups", "hotplug", "acs", "counts"),
        settings={
            "PORT": "0000:00:10.0",
            "HOTPLUG": driver,
            "CYCLES": str(cycles),
            "PLUGS": " ".join(f"{port} {function}" for port, function in PLUGS.items()),
        },
        more_checks=(when("hotplug", checks.translated(*PLUGS.values())),),
        devices=(
            raw(
                *("-device", "pcie-root-port,id=port1,chassis=1,slot=1,addr=10"),
                *("-device", "pcie-root-port,id=port2,chassis=2,slot=2,addr=11"),
                drivers=(disk,),
            ),
        ),
        actions=hotplug.ACTIONS,
        **fields,
    )


HOTPLUG = (
    *both(plugging("acpiphp")),
    # Fewer cycles: what a disk may leave behind in general, the others show.
    *both(plugging("acpiphp", "ats-hotplug", "virtio_blk", cycles=8, iommu="ats")),
)
PCIEHP = both(
    plugging(
        "pciehp",
        qemu=("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
        # pciehp_configure_device() lets go of the former while it holds the latter, which
        # it has taken second, and takes it again.
        lock_circles=(frozenset({"&ctrl->reset_lock", "pci_rescan_remove_lock"}),),
    )
)

REBIND = both(
    vtd(
        "vtd-rebind",
        "a disk's driver is taken off under I/O, and put back",
        ("counting", "rebind", "counts"),
        more_checks=(when("rebind", checks.translated(NVME)),),
        devices=(nvme(address=slot(NVME), mib=2048),),
    )
)

RELOAD = both(
    vtd(
        "vtd-reload",
        "load, use, detach, unload, and all of it again",
        ("reload",),
        more_checks=(
            when(
                "reload",
                vtd_checks.translated_in(
                    NVME, (None, "first-detach"), ("second-load", "second-detach")
                ),
            ),
        ),
        enabled=2,
        devices=(nvme(address=slot(NVME), mib=64), testdev(address=slot(TESTDEV))),
    )
)


CYCLES = vtd(
    "vtd-cycles",
    "ten times load, use, detach, unload",
    ("cycles",),
    more_checks=(when("cycles", checks.translated(NVME)),),
    enabled=10,
    load=(),
    load_drivers=False,
    include=("rust_iommu", "rust_vtd"),
    devices=(nvme(address=slot(NVME), mib=64),),
    cmdline="iommu.strict=1",
)


def refused(
    name: str, summary: str, why: str, checks: tuple[Check, ...] = (), **fields: Any
) -> Machine:
    """A machine whose IOMMU is not for us: our driver says why, in these words."""
    return vtd(
        name,
        summary,
        ("refused",),
        devices=(nvme(address=slot(NVME), mib=64),),
        refuses={"rust_vtd": why},
        checks=checks,
        **fields,
    )


HOW_TO_BOOT = "boot with intel_iommu=off intremap=off"
REFUSED = (
    refused(
        "vtd-refused-default",
        "the built-in driver has the IOMMU (default boot)",
        HOW_TO_BOOT,
        builtin_driver="",
    ),
    refused(
        "vtd-refused-on",
        "the built-in driver has the IOMMU (intel_iommu=on)",
        HOW_TO_BOOT,
        builtin_driver="intel_iommu=on",
    ),
    refused(
        "vtd-refused-intremap",
        "the built-in driver has the IOMMU, but for interrupts only",
        HOW_TO_BOOT,
        builtin_driver="intel_iommu=off",
        iommu="intremap",
    ),
    refused(
        "vtd-refused-no-dma",
        "a unit that translates no DMA",
        "no second-stage page tables (CAP_REG.SAGAW): DMA remapping is turned off",
        checks=(checks.iommu_untouched,),
        iommu="no-dma",
    ),
    refused(
        "vtd-refused-first-stage",
        "a unit whose tables are those of the first stage",
        "has no second-stage page tables (ECAP_REG.SSTS), which legacy mode takes",
        checks=(checks.iommu_untouched,),
        iommu="scalable-fs",
    ),
)

# The judge of the tests: what they ask for is no peculiarity of our driver.
BUILTIN = both(
    vtd(
        "builtin",
        "the same tests over the kernel's built-in VT-d driver",
        ("groups", "disks", "network", "commands", "forbidden", "parallel"),
        settings={"DRIVER": "builtin"},
        builtin_driver="intel_iommu=on,sm_off",
        # Only for what the consumer uses of it: no hardware is touched.
        load=("rust_iommu",),
        checks=(checks.no_complaints, vtd_checks.faults_as_told, *ALL_TRANSLATED),
    )
)

# Longest first: two run at a time. Those with pciehp, which mostly waits, not beside each other.
MACHINES: tuple[Machine, ...] = (
    *quiet(SHOWCASE),
    PCIEHP[0],
    *quiet(*LEGACY, *CACHING),
    PCIEHP[1],
    *quiet(*AW39),
    *BUILTIN,
    CYCLES,
    *(*HOTPLUG, *RELOAD, *REBIND, *IDENTITY, *ATS, SNOOP, *BRIDGE, *ALIAS, *SWITCH),
    *quiet(*EXACT),
    *REFUSED,
)
