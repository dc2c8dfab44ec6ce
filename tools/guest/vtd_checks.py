# SPDX-License-Identifier: GPL-2.0
"""Checks of our VT-d driver against QEMU's trace, for the machines of
vtd_machines.py. What the scripts in tests/guest say is read from their remarks:
"STAT name value", "FAULT requester address access reason", "GROUP number type
functions...".
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from .checks import counted
from .evidence import Evidence
from .machine import Check, Verdict
from .trace import Descriptor, Fault, Inv, bdf

# Up to here the driver's count and the trace are compared (counts.sh).
COUNTED = "counted"

# Our driver invalidates a range by domain if it would take more page-selective
# descriptors than this (MAX_BLOCKS in drivers/iommu/vtd/invalidate/descriptor.rs).
MOST_PAGE_DESCRIPTORS = 16

statistics_agree: tuple[Check, ...] = tuple(
    counted(stat, kind, last=COUNTED)
    for stat, kind in (
        ("context_global", Inv.CONTEXT_GLOBAL),
        ("context_device", Inv.CONTEXT_DEVICE),
        ("iotlb_global", Inv.IOTLB_GLOBAL),
        ("iotlb_domain", Inv.IOTLB_DOMAIN),
        ("iotlb_page", Inv.IOTLB_PAGES),
        ("device_tlb", Inv.DEVICE_TLB),
        ("wait", Inv.WAIT),
    )
)


def when(test: str, *checks: Check) -> Check:
    """The checks, if the script ran: one can be left out with TEST=."""

    def if_it_ran(evidence: Evidence) -> Iterable[Verdict]:
        if test in evidence.results.tests():
            for check in checks:
                yield from check(evidence)

    return if_it_ran


def remarks(evidence: Evidence, word: str) -> Iterator[list[str]]:
    """What follows `word` in each of the guest's remarks that begin with it."""
    pattern = re.compile(rf"# {word} (.*)$")
    for line in evidence.console:
        match = pattern.search(line)
        if match:
            yield match[1].split()


def only_known_descriptors(evidence: Evidence) -> Iterable[Verdict]:
    """No descriptor that legacy mode has no use for, and none for nobody."""
    known = {
        Inv.CONTEXT_GLOBAL,
        Inv.CONTEXT_DEVICE,
        Inv.IOTLB_GLOBAL,
        Inv.IOTLB_DOMAIN,
        Inv.IOTLB_PAGES,
        Inv.WAIT,
    }
    if evidence.machine.iommu == "ats":
        known.add(Inv.DEVICE_TLB)
    kinds = evidence.trace.kinds()
    other = {kind.value: count for kind, count in kinds.items() if kind not in known}
    yield "only descriptors of legacy mode", not other, f"others: {other or 'none'}"


def global_once(times: int = 1) -> Check:
    """Global invalidations go with the enabling of translation: one of each kind."""

    def global_at_enable_only(evidence: Evidence) -> Iterable[Verdict]:
        for kind in (Inv.CONTEXT_GLOBAL, Inv.IOTLB_GLOBAL):
            count = evidence.trace.count(kind)
            yield (
                f"{kind.value}: only when translation is enabled",
                count == times,
                f"{count} descriptors, enabled {times} times",
            )

    return global_at_enable_only


def off_at_the_end(evidence: Evidence) -> Iterable[Verdict]:
    """Power-off leaves the IOMMU as a reboot or another kernel must find it."""
    yield "translation is off when the machine ends", not evidence.trace.enabled, "see the trace"


def faults_as_told(evidence: Evidence) -> Iterable[Verdict]:
    """QEMU refused just the DMA that the guest says was refused: the same
    requesters, addresses, accesses and reasons, equally often."""
    told: Counter[Fault] = Counter()
    for requester, address, access, reason in remarks(evidence, "FAULT"):
        fault = Fault(bdf(requester), int(reason, 16), int(address, 16), access == "write")
        told[fault] += 1
    seen = Counter(evidence.trace.faults)
    yield "the faults are those of the test", told == seen, _difference(told, seen)


def _difference(told: Counter[Fault], seen: Counter[Fault]) -> str:
    if told == seen:
        return f"{seen.total()} faults"
    return f"only the guest saw {dict(told - seen)}, only QEMU {dict(seen - told)}"


def translated_from(requester: str, mark: str) -> Check:
    """DMA of the requester passed untranslated before the mark, and not after."""

    def identity_then_translated(evidence: Evidence) -> Iterable[Verdict]:
        source = bdf(requester)
        before, whole = evidence.trace.between(None, mark), evidence.trace
        # What came after is a difference: what a device was switched to before the
        # mark holds after it, and only the whole trace has that.
        passed = [trace.passed_through[source] for trace in (before, whole)]
        fills = [len(trace.fills_of(source)) for trace in (before, whole)]
        note = f"passed {passed[0]} times of {passed[1]}; {fills[0]} IOTLB fills of {fills[1]}"
        untranslated = passed[0] > 0 and fills[0] == 0
        yield f"DMA of {requester} passes through at first", untranslated, note
        translated = passed[1] == passed[0] and fills[1] > fills[0]
        yield f"DMA of {requester} is translated later", translated, note

    return identity_then_translated


def entry_goes_once(requester: str, *marks: str) -> Check:
    """The requester's context entry is invalidated between the last two marks, and
    not before."""

    def entry_goes_with_the_last(evidence: Evidence) -> Iterable[Verdict]:
        seen = []
        for first, last in zip(marks, marks[1:], strict=False):
            part = evidence.trace.between(first, last)
            seen.append(
                sum(
                    descriptor.kind is Inv.CONTEXT_DEVICE and descriptor.source == bdf(requester)
                    for descriptor in part.descriptors
                )
            )
        right = seen[-1] == 1 and not any(seen[:-1])
        yield f"the context entry of {requester} goes with the last device", right, f"{seen}"

    return entry_goes_with_the_last


def translated_in(requester: str, *spans: tuple[str | None, str | None]) -> Check:
    """In each span between two marks, the requester's DMA was translated."""

    def translated_each_time(evidence: Evidence) -> Iterable[Verdict]:
        for number, (first, last) in enumerate(spans, start=1):
            fills = len(evidence.trace.between(first, last).fills_of(bdf(requester)))
            yield f"DMA of {requester} is translated, time {number}", fills > 0, f"{fills} fills"

    return translated_each_time


# SNP: an access by this entry snoops the CPU caches (3.7, 9.8).
SNOOP = 1 << 11


def snooped_between(requester: str) -> Check:
    """Between the marks of snoop.sh, and only there, the requester's entries force
    its accesses to snoop."""

    def entries_force_snooping(evidence: Evidence) -> Iterable[Verdict]:
        source = bdf(requester)
        inside = evidence.trace.between("coherent", "coherent-done").fills_of(source)
        forced = [fill for fill in inside if fill.entry & SNOOP]
        note = f"{len(forced)} of {len(inside)} IOTLB fills"
        yield f"{requester} is forced to snoop", 0 < len(forced) == len(inside), note
        everywhere = [fill for fill in evidence.trace.fills if fill.entry & SNOOP]
        others = len(everywhere) - len(forced)
        yield "nobody else is", others == 0, f"{others} IOTLB fills"

    return entries_force_snooping


def unmaps_exact(evidence: Evidence) -> Iterable[Verdict]:
    """Each unmap of exactness.sh has sent just what its size takes."""
    page = int(evidence.results.stats["page"], 16)
    yield from _sent(evidence, "dma-api-page", [(page, 0)])
    yield from _sent(evidence, "page", [(0x1000000, 0)])
    yield from _sent(evidence, "large-page", [(0x400000, 9)])
    yield from _sent(evidence, "gigabyte", [(0x40000000, 18)])
    powers = [(1 << 12 + power, power) for power in range(MOST_PAGE_DESCRIPTORS)]
    yield from _sent(evidence, "sixteen", powers)
    yield from _sent(evidence, "seventeen", None)
    # The hardware takes no more than 1 GiB in one.
    halves = [(0x100000000, 18), (0x140000000, 18)]
    yield from _sent(evidence, "two-gigabytes", halves)


def _sent(
    evidence: Evidence, name: str, pages: list[tuple[int, int]] | None
) -> Iterable[Verdict]:
    """Page-selective descriptors (address, log2 of the pages), or one for the
    domain (None); and one wait."""
    part = evidence.trace.between(name, f"{name}-done")
    seen = [_words(descriptor) for descriptor in part.descriptors]
    if pages is None:
        expected = [(Inv.IOTLB_DOMAIN, 0, 0)]
    else:
        expected = [(Inv.IOTLB_PAGES, address, mask) for address, mask in pages]
    right = sorted(seen[:-1], key=str) == sorted(expected, key=str)
    last = [kind for kind, _, _ in seen[-1:]] == [Inv.WAIT]
    text = ", ".join(f"{kind.value} {address:#x} {mask}" for kind, address, mask in seen)
    yield f"unmap '{name}' sends just what it takes", right and last, text or "nothing"


def _words(descriptor: Descriptor) -> tuple[Inv, int, int]:
    return descriptor.kind, descriptor.address, descriptor.mask_lg2


def map_sends(*kinds: Inv) -> Check:
    """What mapping a page where nothing was has sent: nothing, unless the hardware
    caches entries that are not present (caching mode)."""

    def map_sends_what_it_takes(evidence: Evidence) -> Iterable[Verdict]:
        part = evidence.trace.between("map", "map-done")
        seen = [descriptor.kind for descriptor in part.descriptors]
        text = ", ".join(kind.value for kind in seen)
        yield "mapping a page sends just what it takes", seen == list(kinds), text or "nothing"

    return map_sends_what_it_takes


def device_tlb_after_iotlb(requester: str, *marks: tuple[str | None, str | None]) -> Check:
    """In each span between two marks: what drops pages from the IOTLB is followed,
    before the next wait, by one request to the TLB of the requester that has all
    the pages; and there is no other."""

    def each_unmap_reaches_the_device(evidence: Evidence) -> Iterable[Verdict]:
        for first, last in marks:
            part = evidence.trace.between(first, last)
            batches, wrong = 0, []
            for batch in _batches(part.descriptors):
                dropped = [d for d in batch if d.kind in (Inv.IOTLB_PAGES, Inv.IOTLB_DOMAIN)]
                to_device = [d for d in batch if d.kind is Inv.DEVICE_TLB]
                if not dropped and not to_device:
                    continue
                batches += 1
                right = (
                    len(to_device) == 1
                    and batch[-2:-1] == to_device
                    and to_device[0].source == bdf(requester)
                    and all(_covers(to_device[0], pages) for pages in dropped)
                )
                if not right:
                    wrong.append(batch)
            note = f"{batches} unmaps, first that is not: {wrong[:1]}"
            yield "each unmap reaches the device's TLB last", batches > 0 and not wrong, note

    return each_unmap_reaches_the_device


def _batches(descriptors: list[Descriptor]) -> Iterator[list[Descriptor]]:
    """What is awaited together, the wait included. CPUs take turns batch by batch."""
    batch: list[Descriptor] = []
    for descriptor in descriptors:
        batch.append(descriptor)
        if descriptor.kind is Inv.WAIT:
            yield batch
            batch = []


def _covers(device_tlb: Descriptor, dropped: Descriptor) -> bool:
    """Whether all that was dropped from the IOTLB is dropped from the device's TLB."""
    size = 1 << 12 + device_tlb.mask_lg2
    if dropped.kind is Inv.IOTLB_DOMAIN:
        return size == 1 << 64
    first = dropped.address & -(1 << 12 + dropped.mask_lg2)
    return device_tlb.address <= first < device_tlb.address + size and (
        first + (1 << 12 + dropped.mask_lg2) <= device_tlb.address + size
    )


def groups_of(evidence: Evidence) -> set[frozenset[str]]:
    """The groups the guest printed, as sets of functions: numbers may differ."""
    return {frozenset(members) for _number, _type, *members in remarks(evidence, "GROUP")}


def reserved_of(evidence: Evidence) -> dict[frozenset[str], str]:
    """What each group must keep out of, as the guest printed it: lines of reserved_regions."""
    reserved = {}
    for words in remarks(evidence, "RESERVED"):
        members = words[: words.index("=")]
        reserved[frozenset(members)] = " ".join(words[len(members) + 1 :])
    return reserved


def domain_of(evidence: Evidence) -> list[str]:
    """What a domain of the test device can do, as the guest printed it."""
    return [" ".join(words) for words in remarks(evidence, "DOMAIN")]
