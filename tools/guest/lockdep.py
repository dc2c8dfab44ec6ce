# SPDX-License-Identifier: GPL-2.0
"""Lockdep's reports of locks that wait for each other in a circle."""

import re
from dataclasses import dataclass

_START = re.compile(r"WARNING: possible circular locking dependency detected")
# "-> #1 (pci_rescan_remove_lock){+.+.}-{4:4}:", one for each lock of the circle.
_LINK = re.compile(r"^-> #\d+ \((.+)\)\{")
_END = re.compile(r"^ *</TASK>")
# "rust_iommu_probe+0x1/0x2 [rust_iommu]", be it held, taken or on a stack.
_OURS = re.compile(r"\[rust_\w+\]")
# Those of a report's lines that look like complaints; others between them are another's.
_COMPLAINT = re.compile(rf"{_START.pattern}|^Call Trace:|^ +\??[ \w]*lockdep")


@dataclass(frozen=True)
class Report:
    """What a report says."""

    # Numbers of its lines that look like a complaint of the kernel.
    complaints: frozenset[int]
    # Names of the locks, as lockdep has them.
    locks: frozenset[str]
    # Whether a function of our modules has a part in it.
    ours: bool


def report(texts: list[str]) -> Report | None:
    """The report in a console's lines, without what printk put in front, if there is a whole
    one. There is one at most: a kernel's lockdep is off after it."""
    first = next((n for n, text in enumerate(texts) if _START.search(text)), len(texts))
    last = next((n for n in range(first, len(texts)) if _END.match(texts[n])), None)
    if last is None:
        return None
    part = range(first, last + 1)
    links = (_LINK.match(texts[n]) for n in part)
    return Report(
        complaints=frozenset(n for n in part if _COMPLAINT.search(texts[n])),
        locks=frozenset(link[1] for link in links if link),
        ours=any(_OURS.search(texts[n]) for n in part),
    )
