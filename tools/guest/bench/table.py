# SPDX-License-Identifier: GPL-2.0
"""The results as text, and what moved since the committed ones."""

from collections.abc import Iterator
from typing import Any

from . import rows

Results = dict[str, Any]

# Less is the same, whatever the spread: QEMU's and the compiler's moods.
MOVED = 0.03
AIM = 0.5
# Descriptors per call: in lazy mode a timer sends some, too.
FEW = 0.1


def verdict(name: str, ratio: float, aims: set[str]) -> str:
    """What the project's aim says to a ratio of instructions."""
    if ratio > 1:
        return "MORE THAN C"
    if name in aims and ratio > AIM:
        return "above half"
    return ""


def lines(results: Results) -> Iterator[str]:
    """The table."""
    aims = {subject.name for subject in rows.subjects() if subject.has_aim}
    yield f"Kernel {results['kernel']}. C is the kernel's own VT-d driver, second stage."
    yield "Floor is what the kernel's IOMMU core takes alone; it is part of both."
    yield ""
    yield f"{'instructions per call':38} {'ours':>9} {'C':>9} {'floor':>9} {'ours/C':>7}"
    for name, row in results["instructions"].items():
        ratio = row["ours"] / row["builtin"]
        yield (
            f"{name:38} {_count(row['ours'])} {_count(row['builtin'])} {_count(row['floor'])} "
            f"{ratio:7.2f} {verdict(name, ratio, aims)}"
        ).rstrip()
    yield ""
    yield f"{'invalidation descriptors per call':38} {'ours':>30} {'C':>30}"
    for name, row in results["invalidations"].items():
        yield f"{name:38} {_sent(row['ours']):>30} {_sent(row['builtin']):>30}"
    yield ""
    pages = results["table_pages"]
    yield f"tables of 1 GiB of scattered 4 KiB pages: ours {pages['ours'] * 4} KiB, " + (
        f"C {pages['builtin'] * 4} KiB"
    )
    yield ""
    yield f"{'pages mapped and unmapped per second':38} {'ours/C':>9} {'middle half':>13}   2 CPUs by 1"
    for name, row in results["throughput"].items():
        factors = row.get("from_one_to_two")
        more = f"   ours {factors['ours']}, C {factors['builtin']}" if factors else ""
        yield f"{name:38} {row['ratio']:9.2f} {row['low']:6.2f}-{row['high']:<6.2f}{more}".rstrip()


def _count(number: float) -> str:
    return f"{number:9.0f}" if number >= 1000 else f"{number:9.1f}"


def _sent(kinds: dict[str, float]) -> str:
    return ", ".join(f"{number:g} {kind}" for kind, number in kinds.items()) or "none"


def limits(old: Results, name: str, who: str) -> tuple[float, float]:
    """Between what a row's instructions count as unchanged. What runs of the committed
    results have seen, and as much again on either side, but MOVED at least: a few runs do
    not see the extremes."""
    number = old["instructions"][name][who]
    low, high = old.get("spread", {}).get(name, {}).get(who, (number, number))
    margin = max(high - low, number * MOVED)
    return min(low, number) - margin, max(high, number) + margin


def moved(old: Results, new: Results) -> tuple[list[str], bool]:
    """What differs by more than it does by itself; and whether something of ours became worse.

    Instructions move when they leave their `limits`; pages of tables, by more than MOVED.
    Throughput is said to move only when the middle halves have nothing in common: it
    depends on what else the host does.
    """
    found, worse = [], False
    for name, row in new["instructions"].items():
        before = old["instructions"].get(name)
        if before is None:
            found.append(f"{name}: new")
            continue
        for who, number in row.items():
            change = number / before[who] - 1
            low, high = limits(old, name, who)
            if not low <= number <= high:
                text = f"{before[who]:g} -> {number:g} instructions ({change:+.1%}, "
                text += f"unchanged is {low:.1f} to {high:.1f})"
                found.append(f"{name}: {who}: {text}")
                worse |= who == "ours" and change > 0
    found += [f"{name}: gone" for name in old["instructions"] if name not in new["instructions"]]
    for name in sorted({*old["invalidations"], *new["invalidations"]}):
        before, now = (part["invalidations"].get(name, {}) for part in (old, new))
        for who in ("ours", "builtin"):
            old_kinds, new_kinds = before.get(who, {}), now.get(who, {})
            kinds = {*old_kinds, *new_kinds}
            if any(abs(new_kinds.get(kind, 0) - old_kinds.get(kind, 0)) > FEW for kind in kinds):
                found.append(f"{name}: {who}: sends {_sent(old_kinds)} -> {_sent(new_kinds)}")
                worse |= who == "ours" and sum(new_kinds.values()) > sum(old_kinds.values())
    for who, pages in new["table_pages"].items():
        before_pages = old["table_pages"][who]
        if abs(pages / before_pages - 1) > MOVED:
            found.append(f"tables of 1 GiB: {who}: {before_pages} -> {pages} pages")
            worse |= who == "ours" and pages > before_pages
    for name, row in new["throughput"].items():
        before = old["throughput"].get(name)
        if before and (row["high"] < before["low"] or row["low"] > before["high"]):
            found.append(f"throughput, {name}: ours/C {before['ratio']} -> {row['ratio']}")
            worse |= row["high"] < before["low"]
    return found, worse

