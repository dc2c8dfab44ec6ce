# SPDX-License-Identifier: GPL-2.0
"""The console's lines: what printk put in front, and complaints of the kernel."""

import re
from dataclasses import dataclass

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


def find_splats(lines: list[str], expected: tuple[str, ...] = ()) -> list[Splat]:
    """All complaints that were not expected."""
    allowed = [re.compile(pattern) for pattern in expected]
    found = []
    for number, line in enumerate(lines):
        text = without_prefix(line)
        if not _SPLATS.search(text) or _HARMLESS.search(text) or _RESULT.match(text):
            continue
        if not any(pattern.search(text) for pattern in allowed):
            found.append(Splat(number, text))
    return found
