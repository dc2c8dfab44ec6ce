# SPDX-License-Identifier: GPL-2.0
"""The console's lines: what printk put in front, and complaints of the kernel."""

import re
from dataclasses import dataclass

from . import lockdep

# "[    3.141592] " and, with CONFIG_PRINTK_CALLER, "[    T1] " behind it.
_PREFIX = re.compile(r"^\[ *(\d+\.\d+)\](?:\[ *[TC]\d+\])? ?")

# What a kernel says when something is wrong with it.
_SPLATS = re.compile(
    r"WARNING:|BUG:|kernel BUG at|Oops|general protection|Call Trace|UBSAN|KASAN|KFENCE|KCSAN"
    r"|lockdep|possible (?:circular|recursive) locking|suspicious RCU|self-detected stall"
    r"|soft lockup|hung_task|blocked for more than|Kernel panic|panicked at|Unable to handle kernel"
    r"|unreferenced object|refcount_t:|sleeping function called|scheduling while atomic"
    r"|list_(?:add|del) corruption|bad page state|DMA-API:|tainted kernel by"
)
# Said by every healthy stock kernel.
_HARMLESS = re.compile(
    r"Speculative Return Stack Overflow: WARNING"
    r"|Command line:|Kernel command line:|Unknown kernel command line"
    r"|lockdep (?:is )?(?:turned )?off by default"
    # And by every healthy debug kernel.
    r"|RCU lockdep checking is enabled|memory used by lock dependency info"
    r"|DMA-API: (?:preallocated \d+ debug entries|debugging enabled by kernel config)"
)
# Lines of the test results, not of the kernel.
_RESULT = re.compile(r"^ *(?:ok |not ok |#|\d+\.\.|KTAP|@host)")


@dataclass(frozen=True)
class Splat:
    """A complaint of the kernel: which line, and what it says."""

    line: int
    text: str


def clean(raw: str) -> str:
    """A line as it was meant: no CR, no escape sequences, no trailing blanks."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|\x1b", "", raw.replace("\r", "")).rstrip()


def without_prefix(line: str) -> str:
    """The line as it was given to printk."""
    return _PREFIX.sub("", line, count=1)


def find_splats(
    lines: list[str],
    expected: tuple[str, ...] = (),
    lock_circles: tuple[frozenset[str], ...] = (),
) -> list[Splat]:
    """All complaints that were not expected: `expected` are regular expressions for a line,
    `lock_circles` the locks of a report of lockdep in which no function of ours has a part."""
    allowed = [re.compile(pattern) for pattern in expected]
    texts = [without_prefix(line) for line in lines]
    report = lockdep.report(texts)
    of_kernel: frozenset[int] = frozenset()
    if report and report.locks in lock_circles and not report.ours:
        of_kernel = report.complaints
    found = []
    for number, text in enumerate(texts):
        if not _SPLATS.search(text) or _HARMLESS.search(text) or _RESULT.match(text):
            continue
        if number not in of_kernel and not any(pattern.search(text) for pattern in allowed):
            found.append(Splat(number, text))
    return found
