# SPDX-License-Identifier: GPL-2.0
"""Checks made on the host after a run, against QEMU's trace: for Machine.checks.

A check takes the Evidence and yields verdicts: (name, passed, what was seen).
Functions that take arguments return such a check.
"""

import re
from collections.abc import Iterable, Mapping

from . import pins
from .evidence import Evidence
from .machine import Check, Verdict
from .trace import Inv, bdf


def iommu_untouched(evidence: Evidence) -> Iterable[Verdict]:
    """Nobody used the IOMMU: for machines that run without a driver for it."""
    events = evidence.trace.events
    used = {name: events[name] for name in ("vtd_dmar_enable", "vtd_inv_desc") if events[name]}
    yield "nobody uses the IOMMU", not used, f"trace events: {used or 'none'}"


def translated(*requesters: str) -> Check:
    """Each of the devices did DMA through the IOMMU, none of it passed through."""

    def every_requester_translated(evidence: Evidence) -> Iterable[Verdict]:
        for requester in requesters:
            source = bdf(requester)
            fills = len(evidence.trace.fills_of(source))
            passed = evidence.trace.passed_through[source]
            yield (
                f"DMA of {requester} is translated",
                fills > 0 and passed == 0,
                f"{fills} IOTLB fills, {passed} times passed through",
            )

    return every_requester_translated


def no_faults(evidence: Evidence) -> Iterable[Verdict]:
    """No DMA was refused."""
    faults = evidence.trace.faults
    yield "no DMA fault", not faults, f"{len(faults)} faults, first: {faults[:1]}"


def no_complaints(evidence: Evidence) -> Iterable[Verdict]:
    """The emulation found nothing wrong with what it was asked to do."""
    lines = evidence.trace.complaints
    yield "the emulated IOMMU does not complain", not lines, f"{len(lines)}, first: {lines[:1]}"


def counted(stat: str, *kinds: Inv, first: str | None = None, last: str | None = None) -> Check:
    """The guest's "STAT <stat>" equals the number of descriptors of those kinds,
    between two marks if given."""

    def descriptors_equal_statistics(evidence: Evidence) -> Iterable[Verdict]:
        part = evidence.trace.between(first, last)
        seen = sum(part.count(kind) for kind in kinds)
        claimed = evidence.results.stat(stat)
        yield (
            f"{stat} agrees with the trace",
            seen == claimed,
            f"the guest counted {claimed}, the trace has {seen}",
        )

    return descriptors_equal_statistics


def only_expected_errors(expected: Mapping[str, tuple[str, ...]]) -> Check:
    """The kernel has logged nothing as an error but what the tests that ran provoke:
    `expected` has regular expressions for whole lines, by test. The machine's setting
    ERRORS must be 1, for the guest to repeat such lines at its end."""

    def no_other_error_lines(evidence: Evidence) -> Iterable[Verdict]:
        # What the debug kernel looks at has rules of its own.
        if evidence.machine.kernel == pins.DEBUG:
            return
        ran = evidence.results.tests()
        allowed = [
            re.compile(pattern) for test in ran & set(expected) for pattern in expected[test]
        ]
        lines = [
            line.partition("# kernel error: ")[2]
            for line in evidence.console
            if "# kernel error: " in line
        ]
        told = [line for line in evidence.console if line.endswith(f"# kernel errors: {len(lines)}")]
        others = [
            line for line in lines if not any(pattern.fullmatch(line) for pattern in allowed)
        ]
        yield "the guest has told all error lines", len(told) == 1, f"{len(lines)} lines"
        yield (
            "no error line that no test expects",
            not others,
            f"{len(others)} of {len(lines)}, first: {others[:1]}",
        )

    return no_other_error_lines
