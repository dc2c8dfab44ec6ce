# SPDX-License-Identifier: GPL-2.0
"""The ceilings: how high some counts of each module may be."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .counts import Counts

# What has a ceiling: the key in the file, in words, the count, and where it comes from.
KEYS: dict[str, tuple[str, Callable[[Counts], int], Callable[[Counts], list[str]]]] = {
    "panic_call_sites": (
        "panic call sites",
        lambda counts: counts.panic_sites,
        lambda counts: [str(site) for site in counts.sites],
    ),
    "unsafe_blocks": (
        "unsafe blocks",
        lambda counts: counts.unsafe_blocks,
        lambda counts: [],
    ),
    "unsafe_blocks_outside_their_places": (
        "unsafe blocks outside the places they may stand in",
        lambda counts: counts.unsafe_elsewhere,
        lambda counts: [f"{file}: {count}" for file, count in counts.elsewhere.items()],
    ),
    "exported_symbols": (
        "exported symbols",
        lambda counts: counts.exported_symbols,
        lambda counts: [],
    ),
}


class Error(Exception):
    """The file is not what it should be."""


@dataclass(frozen=True)
class Verdict:
    """What the comparison says: lines, and whether a count rose."""

    lines: list[str]
    rose: bool


def read(file: Path) -> dict[str, dict[str, int]]:
    """The ceilings of each module, by the module's file name without `.ko`."""
    try:
        ceilings = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Error(f"{file}: {error}") from error
    for module, limits in ceilings.items():
        if not isinstance(limits, dict):
            raise Error(f"{file}: '{module}' is not a table [module]")
        if unknown := limits.keys() - KEYS.keys():
            raise Error(f"{file}: [{module}]: unknown {sorted(unknown)}; known: {list(KEYS)}")
        if missing := KEYS.keys() - limits.keys():
            raise Error(f"{file}: [{module}]: missing {sorted(missing)}")
        for key, limit in limits.items():
            if type(limit) is not int or limit < 0:
                raise Error(f"{file}: [{module}]: {key} = {limit!r}: expected a number from 0 on")
    return ceilings


def compare(modules: list[Counts], ceilings: dict[str, dict[str, int]], file: str) -> Verdict:
    """Compares counts with their ceilings, which come from `file`."""
    lines: list[str] = []
    rose = False
    for counts in modules:
        limits = ceilings.get(counts.name.removesuffix(".ko"))
        if limits is None:
            lines.append(f"{counts.name}: has no ceilings in {file}")
            rose = True
            continue
        for key, (words, count_of, origins) in KEYS.items():
            count, ceiling = count_of(counts), limits[key]
            if count > ceiling:
                lines.append(
                    f"{counts.name}: {count} {words}, "
                    f"above the ceiling of {ceiling} ({key} in {file})"
                )
                lines += [f"    {origin}" for origin in origins(counts)]
                rose = True
            elif count < ceiling:
                lines.append(
                    f"{counts.name}: {count} {words}: lower {key} in {file} from {ceiling}"
                )
    for absent in ceilings.keys() - {counts.name.removesuffix(".ko") for counts in modules}:
        lines.append(f"{file}: [{absent}]: no such module in this build")
    return Verdict(lines or ["every count is at its ceiling"], rose)
