# SPDX-License-Identifier: GPL-2.0
"""Makes DMAR tables for Machine.acpi_tables, with the layouts of chapter 8 of the
VT-d specification; also tables that are wrong on purpose.
"""

import struct

# The registers of the emulated unit, and the page behind them, where none is.
UNIT = 0xFED90000
NO_UNIT = 0xFED91000

HEADER = 48

# The platform lets no device reach memory before the kernel does.
DMA_CONTROL_OPT_IN = 1 << 2
_HOST_ADDRESS_BITS = 39


def table(
    *structures: bytes, host_address_bits: int = _HOST_ADDRESS_BITS, flags: int = 0
) -> bytes:
    """A table of these structures. The kernel takes it for a newer one than the
    firmware's, as its OEM revision is higher; identifiers must be the same."""
    body = b"".join(structures)
    header = struct.pack(
        "<4sIBB6s8sI4sI",
        *(b"DMAR", HEADER + len(body), 1, 0, b"BOCHS ", b"BXPC    ", 2, b"BXPC", 1),
    )
    whole = header + struct.pack("<BB10x", host_address_bits - 1, flags) + body
    checksum = -sum(whole) & 0xFF
    return whole[:9] + bytes([checksum]) + whole[10:]


def unit(base: int, *scopes: bytes, include_all: bool = False) -> bytes:
    """A DRHD structure."""
    return _structure(0, struct.pack("<BBHQ", int(include_all), 0, 0, base), scopes)


def reserved_memory(first: int, last: int, *scopes: bytes) -> bytes:
    """An RMRR structure."""
    return _structure(1, struct.pack("<HHQQ", 0, 0, first, last), scopes)


def all_root_ports(*scopes: bytes) -> bytes:
    """An ATSR structure for all ports, which needs no scopes."""
    return _structure(2, struct.pack("<BBH", 1, 0, 0), scopes)


def affinity(base: int, proximity: int) -> bytes:
    """An RHSA structure."""
    return _structure(3, struct.pack("<IQI", 0, base, proximity), ())


def namespace_device(number: int, name: str) -> bytes:
    """An ANDD structure."""
    return _structure(4, struct.pack("<3xB", number) + name.encode() + b"\0", ())


def endpoint(function: str, *below: str) -> bytes:
    """A scope for a function of bus 0, as in "0000:00:0a.0", or for one below that: each
    step as in "00.0"."""
    path = b""
    for step in (function.rpartition(":")[2], *below):
        device, _, number = step.partition(".")
        path += struct.pack("<BB", int(device, 16), int(number))
    return struct.pack("<BBHBB", 1, 6 + len(path), 0, 0, 0) + path


def namespace_scope(number: int, device: int) -> bytes:
    """A scope for a device of the ACPI namespace, and the requester it is on bus 0."""
    return struct.pack("<BBHBBBB", 5, 8, 0, number, 0, device, 0)


def _structure(kind: int, fields: bytes, scopes: tuple[bytes, ...]) -> bytes:
    body = fields + b"".join(scopes)
    return struct.pack("<HH", kind, 4 + len(body)) + body
