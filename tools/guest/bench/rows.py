# SPDX-License-Identifier: GPL-2.0
"""What was measured, as rows: from the guests' remarks ("STAT detached.4k.map 500/64")
and QEMU's trace to numbers per operation."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..bench_machines import TURNS
from ..evidence import Evidence
from ..trace import Inv

# Names that the guest's script has for what it measures, and how people call it.
_WHERE = ("detached", "attached")
_SIZES = {"4k": "4 KiB", "64k": "64 KiB", "1m": "1 MiB", "2m": "2 MiB leaf"}
_DMA = {"4k": "dma_map_single 4 KiB", "64k": "dma_map_single 64 KiB", "list": "dma_map_sg 256 pages"}


@dataclass(frozen=True)
class Subject:
    """Something that is measured: a call, or two."""

    # In the guest's remarks: "attached.4k", "map".
    key: str
    call: str
    name: str
    # Whether the aim of half of the built-in driver's instructions is for it.
    has_aim: bool


def subjects() -> Iterator[Subject]:
    """All rows of the table, in its order."""
    for where in _WHERE:
        for size, text in _SIZES.items():
            for call in ("map", "lookup", "unmap"):
                yield Subject(f"{where}.{size}", call, f"{where}: {call} {text}", True)
    yield Subject("fresh", "map", "detached: map 4 KiB, with tables", True)
    for flush in ("strict", "lazy"):
        for kind, text in _DMA.items():
            yield Subject(f"{flush}.{kind}", "map", f"{flush}: {text}", False)
            undo = text.replace("_map_", "_unmap_")
            yield Subject(f"{flush}.{kind}", "unmap", f"{flush}: {undo}", False)
    yield Subject("pair", "map", "attach and detach", False)


def instructions(evidence: Evidence) -> dict[str, float]:
    """Instructions of each operation, by the row's name."""
    stats = evidence.results.stats
    found = {}
    for subject in subjects():
        name = f"{subject.key}.{subject.call}"
        # One median, or several stretches.
        values = [stats[key] for key in stats if key == name or key.startswith(f"{name}.")]
        each = [int(time) / int(count) for time, count in (value.split("/") for value in values)]
        found[subject.name] = round(median(each), 1)
    return found


def together(
    runs: list[dict[str, dict[str, float]]],
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, list[float]]]]:
    """The instructions of several runs, by row and by who took them, as one: the median of
    each, and its spread, the least and the most that a run has seen."""
    middle: dict[str, dict[str, float]] = {}
    spread: dict[str, dict[str, list[float]]] = {}
    for name, row in runs[0].items():
        seen = {who: [run[name][who] for run in runs] for who in row}
        middle[name] = {who: round(median(numbers), 1) for who, numbers in seen.items()}
        spread[name] = {who: [min(numbers), max(numbers)] for who, numbers in seen.items()}
    return middle, spread


# What is counted, and what it is called in the results.
_SENT = {
    Inv.CONTEXT_GLOBAL: "context",
    Inv.CONTEXT_DOMAIN: "context",
    Inv.CONTEXT_DEVICE: "context",
    Inv.IOTLB_GLOBAL: "IOTLB",
    Inv.IOTLB_DOMAIN: "IOTLB",
    Inv.IOTLB_PAGES: "IOTLB",
    Inv.WAIT: "wait",
}


def invalidations(evidence: Evidence) -> dict[str, dict[str, float]]:
    """Descriptors that QEMU saw per operation, by the row's name. Left out are lookups,
    which send nothing, what was not measured between marks, and lists in lazy mode: they
    are so few that it is a matter of chance whether a flush comes in between."""
    found: dict[str, dict[str, float]] = {}
    for subject in subjects():
        counted = f"{subject.key}.count" in evidence.results.stats
        if not counted or subject.call == "lookup" or subject.key == "lazy.list":
            continue
        count = evidence.results.stat(f"{subject.key}.count")
        first, last = ("begin", "map") if subject.call == "map" else ("map", "unmap")
        part = evidence.trace.between(f"{subject.key}.{first}", f"{subject.key}.{last}")
        sent: dict[str, float] = {}
        for kind, number in part.kinds().items():
            name = _SENT.get(kind, kind.value)
            sent[name] = round(sent.get(name, 0) + number / count, 2)
        found[subject.name] = {name: sent[name] for name in sorted(sent) if sent[name]}
    return found


def table_pages(evidence: Evidence) -> int:
    """Pages that the tables for 1 GiB of scattered 4 KiB pages take."""
    return evidence.results.stat("gigabyte.pages")


def _rates(evidence: Evidence, where: str, cpus: int) -> list[float]:
    """Pages per second of all CPUs together, in each turn."""
    rates = []
    for turn in range(1, TURNS + 1):
        pages, time = evidence.results.stats[f"{where}.{cpus}.{turn}"].split("/")
        # The time is that of all CPUs, added up.
        rates.append(int(pages) * cpus * 1e9 / int(time))
    return rates


def throughput(ours: Evidence, builtin: Evidence) -> dict[str, dict[str, Any]]:
    """Pages mapped and unmapped per second, ours by the built-in driver's, turn by turn:
    the median of the ratios, and between which two of them the middle half is; and what two
    CPUs do by what one does."""
    found: dict[str, dict[str, Any]] = {}
    scaling: dict[str, dict[str, float]] = {}
    for where in _WHERE:
        for cpus in (1, 2):
            pairs = zip(_rates(ours, where, cpus), _rates(builtin, where, cpus))
            ratios = sorted(a / b for a, b in pairs)
            quarter = len(ratios) // 4
            found[f"{where}: {cpus} CPU{'s' if cpus > 1 else ''}"] = {
                "ratio": round(median(ratios), 2),
                "low": round(ratios[quarter], 2),
                "high": round(ratios[-1 - quarter], 2),
            }
        for name, evidence in (("ours", ours), ("builtin", builtin)):
            one, two = (median(_rates(evidence, where, cpus)) for cpus in (1, 2))
            scaling.setdefault(where, {})[name] = round(two / one, 2)
    for where, factors in scaling.items():
        found[f"{where}: 2 CPUs"]["from_one_to_two"] = factors
    return found
