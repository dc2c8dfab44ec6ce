# SPDX-License-Identifier: GPL-2.0
"""Machines whose firmware says something else about the VT-d than QEMU's does."""

from . import checks, dmar, vtd_checks
from .devices import nvme, raw, testdev
from .machine import Machine
from .vtd_checks import when
from .vtd_machines import AHCI, ALL_TRANSLATED, NVME, TESTDEV, XHCI, slot, vtd

INCLUDE_ALL = dmar.unit(dmar.UNIT, include_all=True)

# Memory that the kernel leaves alone.
RESERVED = 0x3F000000
RESERVED_SIZE = 0x10000
KEEP_OFF = f"memmap={RESERVED_SIZE >> 10}K${RESERVED:#x}"

# A page of System RAM, as if a device that is not there used it.
IN_RAM = 0x10000000
NOBODY = "0000:00:1e.0"
SECOND = "0000:00:0b.0"

# A root port.
PORT = "0000:00:10.0"

# A function that every such machine has, and nobody uses.
SMBUS = "0000:00:1f.3"


def other_table(name: str, summary: str, table: bytes, refusal: str) -> Machine:
    """A machine whose table is refused, with these words."""
    return vtd(
        name,
        summary,
        ("refused",),
        devices=(nvme(address=slot(NVME), mib=64),),
        acpi_tables={"dmar": table},
        refuses={"rust_vtd": f"DMAR table refused: at offset {refusal}"},
        checks=(checks.iommu_untouched,),
    )


MACHINES: tuple[Machine, ...] = (
    vtd(
        "vtd-include-all",
        "a unit that has all devices, a node, reserved memory, and a device that is no PCI device",
        ("groups", "disks", "network", "namespace"),
        settings={"NAMESPACE": "00:15.0"},
        acpi_tables={
            "dmar": dmar.table(
                dmar.unit(dmar.UNIT, dmar.namespace_scope(3, 0x15), include_all=True),
                dmar.affinity(dmar.UNIT, 0),
                dmar.namespace_device(3, r"\_SB.I2C0"),
                # One is a USB controller's, which gives it up once it has a driver.
                dmar.reserved_memory(RESERVED, RESERVED + 0xFFF, dmar.endpoint(NVME)),
                dmar.reserved_memory(
                    RESERVED + 0x1000, RESERVED + 0x3FFF, dmar.endpoint(XHCI), dmar.endpoint(AHCI)
                ),
                flags=dmar.DMA_CONTROL_OPT_IN,
            )
        },
        cmdline=f"iommu.strict=1 {KEEP_OFF}",
        more_checks=ALL_TRANSLATED,
    ),
    vtd(
        "vtd-namespace",
        "the unit has a device of the ACPI namespace, and one behind a VMD controller",
        ("namespace", "vmd"),
        settings={
            "NAMESPACE": "00:0b.0",
            "RESERVED": f"{RESERVED:#x}",
        },
        devices=(testdev(address="0a.0"), testdev(address="0b.0")),
        include=("pretended_function",),
        acpi_tables={
            "dmar": dmar.table(
                dmar.unit(
                    dmar.UNIT, dmar.endpoint(TESTDEV), dmar.namespace_scope(3, 0x0B)
                ),
                dmar.namespace_device(3, r"\_SB.I2C0"),
            )
        },
        cmdline=f"iommu.strict=1 {KEEP_OFF}",
        more_checks=(when("vmd", checks.translated(TESTDEV)),),
    ),
    vtd(
        "vtd-graphics",
        "integrated graphics: their DMA passes, unless rust_vtd is told to translate it",
        ("graphics",),
        settings={"GRAPHICS": "0000:40:02.0"},
        devices=(),
        load=("rust_iommu",),
        include=("rust_vtd", "pretended_function"),
        acpi_tables={"dmar": dmar.table(INCLUDE_ALL)},
        cmdline="iommu.strict=1",
        enabled=3,
    ),
    vtd(
        "vtd-faulty-table",
        "a table with all that real firmware gets wrong: what it costs is named, the rest works",
        ("faulty", "disks", "network"),
        settings={"ABSENT": f"{dmar.NO_UNIT:#x}", "NOWHERE": SMBUS},
        # A driver that says so each time it binds has the device behind the absent unit.
        load=("pci_stub ids=1b36:0005", "rust_iommu", "rust_vtd"),
        acpi_tables={
            "dmar": dmar.table(
                dmar.unit(0, dmar.endpoint(SMBUS)),
                dmar.unit(dmar.NO_UNIT, dmar.endpoint(TESTDEV)),
                INCLUDE_ALL,
                # The kernel's own parser stays at a scope of no length, unless it is in a
                # structure that it skips.
                dmar.all_root_ports(bytes(8)),
                INCLUDE_ALL,
                dmar.reserved_memory(0, 0, dmar.endpoint(NVME)),
                dmar.reserved_memory(0x3000, 0x1FFF, dmar.endpoint(NVME)),
                dmar.affinity(0x7000, 0),
                # Less than the memory there is.
                host_address_bits=28,
            )
        },
        cmdline="iommu.strict=1",
        # Groups are not those of the built-in driver, which gives up on such a table.
        checks=(checks.no_complaints, *ALL_TRANSLATED),
    ),
    vtd(
        "vtd-virtual",
        "a card with virtual functions, which have its unit and not its reserved memory",
        ("groups",),
        settings={"PHYSICAL": "0000:01:00.0", "VIRTUAL": "0000:01:10.0 0000:01:10.2"},
        devices=(
            raw(
                *("-device", f"pcie-root-port,id=port1,chassis=1,slot=1,addr={slot(PORT)}"),
                *("-netdev", "hubport,id=hub0,hubid=0", "-device", "igb,netdev=hub0,bus=port1"),
            ),
        ),
        include=("pci_pf_stub",),
        acpi_tables={
            "dmar": dmar.table(
                INCLUDE_ALL,
                dmar.reserved_memory(RESERVED, RESERVED + 0xFFF, dmar.endpoint(PORT, "00.0")),
            )
        },
        cmdline=f"iommu.strict=1 {KEEP_OFF}",
    ),
    vtd(
        "vtd-rmrr",
        "memory that firmware has a device use: its DMA arrives at every moment",
        ("rmrr",),
        settings={
            "RESERVED": f"{RESERVED:#x}",
            "IN_RAM": f"{IN_RAM:#x}",
            "SECOND": SECOND,
        },
        devices=(
            nvme(address=slot(NVME), mib=64),
            testdev(address=slot(TESTDEV)),
            testdev(address=slot(SECOND)),
            # A port, so that a detach has a driver to release.
            raw("-device", "pcie-root-port,id=port1,chassis=1,slot=1,addr=10"),
        ),
        load=(),
        load_drivers=False,
        include=("rust_iommu", "rust_vtd", "pci_stub", "testdev_writer", "bind_late"),
        acpi_tables={
            "dmar": dmar.table(
                INCLUDE_ALL,
                dmar.reserved_memory(
                    RESERVED,
                    RESERVED + RESERVED_SIZE - 1,
                    dmar.endpoint(TESTDEV),
                    dmar.endpoint(SECOND),
                ),
                dmar.reserved_memory(IN_RAM, IN_RAM + 0xFFF, dmar.endpoint(NOBODY)),
            )
        },
        cmdline=f"iommu.strict=1 {KEEP_OFF}",
        checks=(
            checks.no_complaints,
            vtd_checks.faults_as_told,
            when("rmrr", checks.translated(NVME)),
        ),
    ),
    other_table(
        "vtd-table-empty",
        "a table without a unit",
        dmar.table(dmar.affinity(dmar.UNIT, 0)),
        f"{dmar.HEADER:#x}: expected a remapping unit",
    ),
)
