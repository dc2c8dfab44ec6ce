# SPDX-License-Identifier: GPL-2.0
"""Reads QEMU's trace of the emulated VT-d: the witness that is not ours.

Each line is "event words...". Only the events of EVENTS are switched on: the
ones that tell every translation, register access or cache hit make a log of
hundreds of megabytes and slow the guest down.

Invalidations are decoded from the descriptor's own words, not from the events
that interpret it, with the layouts of the VT-d specification, section 6.5.2.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

EVENTS = (
    "vtd_inv_desc",  # each descriptor, as fetched from the queue
    "vtd_inv_desc_cc_*",  # also: invalidations through registers
    "vtd_inv_desc_iotlb_*",
    "vtd_inv_qi_enable",
    "vtd_iotlb_page_update",  # a translation enters the IOTLB
    "vtd_iotlb_cc_update",  # a context entry enters the context cache
    "vtd_iotlb_reset",
    "vtd_context_cache_reset",
    "vtd_translate_pt",  # a translation that passes through
    "vtd_pt_enable_fast_path",
    "vtd_switch_address_space",  # per device: remapped, or past the IOMMU
    "vtd_dmar_fault",
    "vtd_dmar_enable",
    "vtd_err*",
    "vtd_warn*",
)


class Inv(Enum):
    """What an invalidation descriptor asks for."""

    CONTEXT_GLOBAL = "context cache, global"
    CONTEXT_DOMAIN = "context cache, one domain"
    CONTEXT_DEVICE = "context cache, one device"
    IOTLB_GLOBAL = "IOTLB, global"
    IOTLB_DOMAIN = "IOTLB, one domain"
    IOTLB_PAGES = "IOTLB, pages"
    DEVICE_TLB = "device TLB"
    INTERRUPT = "interrupt entries"
    WAIT = "wait"
    PIOTLB = "IOTLB by PASID"
    PASID_CACHE = "PASID cache"
    PIOTLB_DEVICE = "device TLB by PASID"
    RESERVED = "reserved"


_BY_TYPE = {
    3: Inv.DEVICE_TLB,
    4: Inv.INTERRUPT,
    5: Inv.WAIT,
    6: Inv.PIOTLB,
    7: Inv.PASID_CACHE,
    8: Inv.PIOTLB_DEVICE,
}
_CONTEXT = {1: Inv.CONTEXT_GLOBAL, 2: Inv.CONTEXT_DOMAIN, 3: Inv.CONTEXT_DEVICE}
_IOTLB = {1: Inv.IOTLB_GLOBAL, 2: Inv.IOTLB_DOMAIN, 3: Inv.IOTLB_PAGES}


class Descriptor(NamedTuple):
    """One invalidation descriptor. (There may be a million: a tuple is made fastest.)"""

    kind: Inv
    domain: int  # where the kind has one
    address: int  # IOTLB_PAGES and device TLBs: the first address
    mask_lg2: int  # the same: log2 of the number of 4 KiB pages
    source: int  # CONTEXT_DEVICE, device TLB


class Fill(NamedTuple):
    """A translation that entered the IOTLB."""

    source: int
    iova: int
    entry: int
    domain: int


@dataclass(frozen=True)
class Fault:
    """A DMA that was refused; the reason is the specification's number."""

    source: int
    reason: int
    address: int
    write: bool


@dataclass
class Trace:
    """All events of a run, in order of their kind."""

    descriptors: list[Descriptor] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    # Requesters that passed the IOMMU untranslated while it was enabled.
    passed_through: Counter[int] = field(default_factory=Counter)
    # Whether DMA is remapped at the end.
    enabled: bool = False
    # Complaints of the emulation about what it was asked to do.
    complaints: list[str] = field(default_factory=list)
    # All events by name.
    events: Counter[str] = field(default_factory=Counter)

    _lines: list[str] = field(default_factory=list, repr=False)
    _marks: dict[str, int] = field(default_factory=dict, repr=False)
    # Of these lines, by marks: many checks look at the same part.
    _parts: dict[tuple[str | None, str | None], "Trace"] = field(default_factory=dict, repr=False)

    def count(self, kind: Inv) -> int:
        """How many descriptors of that kind."""
        return sum(descriptor.kind is kind for descriptor in self.descriptors)

    def kinds(self) -> dict[Inv, int]:
        """How many descriptors of each kind there were."""
        return dict(Counter(descriptor.kind for descriptor in self.descriptors))

    def fills_of(self, source: int) -> list[Fill]:
        """The fills of one requester (see bdf)."""
        return [fill for fill in self.fills if fill.source == source]

    def faults_of(self, source: int) -> list[Fault]:
        """The faults of one requester."""
        return [fault for fault in self.faults if fault.source == source]

    def between(self, first: str | None, last: str | None) -> "Trace":
        """The part between two marks of the guest (None: from the start, to the end)."""
        if (first, last) not in self._parts:
            begin = 0 if first is None else self._mark(first)
            end = len(self._lines) if last is None else self._mark(last)
            self._parts[first, last] = parse(self._lines[begin:end])
        return self._parts[first, last]

    def _mark(self, name: str) -> int:
        if name not in self._marks:
            known = ", ".join(self._marks) or "none"
            raise KeyError(f"no mark '{name}' in the trace; the guest set: {known}")
        return self._marks[name]


def bdf(text: str) -> int:
    """A requester's number from "00:04.0" (a PCI segment in front is ignored)."""
    bus, device, function = re.split(r"[:.]", text)[-3:]
    return int(bus, 16) << 8 | int(device, 16) << 3 | int(function, 16)


def decode(low: int, high: int) -> Descriptor:
    """An invalidation descriptor from its two words."""
    kind_number = low & 0xF | (low >> 9 & 0x7) << 4
    granularity = low >> 4 & 0x3
    if kind_number == 1:
        kind = _CONTEXT.get(granularity, Inv.RESERVED)
    elif kind_number == 2:
        kind = _IOTLB.get(granularity, Inv.RESERVED)
    else:
        kind = _BY_TYPE.get(kind_number, Inv.RESERVED)
    if kind is Inv.WAIT:
        return Descriptor(kind, 0, 0, 0, 0)
    source = low >> 32 & 0xFFFF if kind in (Inv.CONTEXT_DEVICE, Inv.DEVICE_TLB) else 0
    address, mask_lg2 = 0, 0
    if kind is Inv.IOTLB_PAGES:
        address, mask_lg2 = high & ~0xFFF, high & 0x3F
    elif kind is Inv.DEVICE_TLB:
        address, mask_lg2 = _device_pages(high)
    return Descriptor(kind, low >> 16 & 0xFFFF, address, mask_lg2, source)


def _device_pages(high: int) -> tuple[int, int]:
    """The pages of a device-TLB descriptor: S says that there are more than one, and
    then the lowest clear bit of the page number how many (6.5.2.5)."""
    page = high >> 12
    if not high & 1:
        return page << 12, 0
    clear = next(bit for bit in range(53) if not page >> bit & 1)
    return page >> clear << clear + 12, clear + 1


def read(file: Path, marks: dict[str, int] | None = None) -> Trace:
    """A trace file; marks are offsets in it, as the runner took them."""
    data = file.read_bytes() if file.exists() else b""
    trace = parse(data.decode(errors="replace").splitlines())
    for name, offset in (marks or {}).items():
        trace._marks[name] = data.count(b"\n", 0, offset)
    return trace


_EVENT = re.compile(r"(?:\d+@\d+\.\d+:)?(vtd_\w+) ?(.*)$")
_NUMBER = r"(0x[0-9a-f]+|\d+)"
_DESCRIPTOR = re.compile(rf"high {_NUMBER} low {_NUMBER}")
_FILL = re.compile(rf"sid {_NUMBER} iova {_NUMBER} slpte {_NUMBER} domain {_NUMBER}")
_FAULT = re.compile(rf"sid {_NUMBER} fault {_NUMBER} addr {_NUMBER} write {_NUMBER}")
_PASS = re.compile(rf"source id {_NUMBER}")
_FAST_PASS = re.compile(rf"sid {_NUMBER} {_NUMBER}")
_SWITCH = re.compile(r"Device ([0-9a-f:.]+) switching address space \(iommu enabled=(\d)\)")


def parse(lines: list[str]) -> Trace:
    """A trace from its lines. Lines of other kinds of log are skipped."""
    trace = Trace(_lines=lines)
    names = []
    for line in lines:
        match = _EVENT.match(line)
        if not match:
            continue
        name, words = match.groups()
        names.append(name)
        if name == "vtd_inv_desc":
            high, low = _numbers(_DESCRIPTOR, words, line)
            trace.descriptors.append(decode(low, high))
        elif name == "vtd_iotlb_page_update":
            trace.fills.append(Fill(*_numbers(_FILL, words, line)))
        elif name == "vtd_dmar_fault":
            source, reason, address, write = _numbers(_FAULT, words, line)
            trace.faults.append(Fault(source, reason, address, bool(write)))
        elif name == "vtd_dmar_enable":
            trace.enabled = words.endswith("1")
        elif name == "vtd_translate_pt":
            trace.passed_through[_numbers(_PASS, words, line)[0]] += 1
        elif name == "vtd_pt_enable_fast_path":
            source, success = _numbers(_FAST_PASS, words, line)
            trace.passed_through[source] += success
        elif name == "vtd_switch_address_space":
            switch = _SWITCH.search(words)
            if trace.enabled and switch and switch[2] == "0":
                trace.passed_through[bdf(switch[1])] += 1
        elif name.startswith(("vtd_err", "vtd_warn")):
            trace.complaints.append(line)
    trace.events.update(names)
    return trace


def _numbers(pattern: re.Pattern[str], words: str, line: str) -> list[int]:
    match = pattern.search(words)
    if not match:
        raise ValueError(f"QEMU's trace has a line of another form than known: '{line}'")
    return [int(group, 0) for group in match.groups()]
