# SPDX-License-Identifier: GPL-2.0
"""What is counted about a module, and the table of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from . import elf, panics, sources


@dataclass(frozen=True)
class Counts:
    """The counts of one module, or of all."""

    name: str
    loaded: int
    file: int
    code_lines: int
    unsafe_blocks: int
    unsafe_elsewhere: int
    panic_sites: int
    exported_symbols: int
    sites: list[panics.Site] = field(default_factory=list)
    # Files with unsafe blocks where none may stand, and how many they have.
    elsewhere: dict[str, int] = field(default_factory=dict)


# Heading, and what is below it.
COLUMNS: list[tuple[str, Callable[[Counts], int]]] = [
    ("loaded", lambda counts: counts.loaded),
    ("file", lambda counts: counts.file),
    ("code lines", lambda counts: counts.code_lines),
    ("unsafe blocks", lambda counts: counts.unsafe_blocks),
    ("outside their places", lambda counts: counts.unsafe_elsewhere),
    ("panic call sites", lambda counts: counts.panic_sites),
    ("exported symbols", lambda counts: counts.exported_symbols),
]


def of_module(module: Path, clone: Path) -> Counts | None:
    """Counts a module, and the sources it was made from; None if it is C alone."""
    texts = {file: file.read_text() for file in sources.of_module(module, clone)}
    blocks = {
        file: sources.unsafe_blocks(text)
        for file, text in texts.items()
        if file.suffix == ".rs"
    }
    if texts and not blocks:
        return None
    elsewhere = {
        str(file.relative_to(clone)): count
        for file, count in sorted(blocks.items())
        if count and not sources.has_place(file, clone)
    }
    sites = panics.sites(module, clone)
    symbols = elf.run("readelf", "--symbols", "--wide", str(module))
    return Counts(
        name=module.name,
        loaded=elf.loaded_size(module),
        file=module.stat().st_size,
        code_lines=sum(map(sources.code_lines, texts.values())),
        unsafe_blocks=sum(blocks.values()),
        unsafe_elsewhere=sum(elsewhere.values()),
        panic_sites=len(sites),
        exported_symbols=elf.exported(symbols),
        sites=sites,
        elsewhere=elsewhere,
    )


def table(modules: Iterable[Counts]) -> str:
    """A line for each module, and the total."""
    rows = [(counts.name, *(value(counts) for _, value in COLUMNS)) for counts in modules]
    total = ["total", *(sum(column) for column in list(zip(*rows, strict=True))[1:])]
    cells = [["module", *(heading for heading, _ in COLUMNS)], *rows, total]
    widths = [max(len(str(row[column])) for row in cells) for column in range(len(COLUMNS) + 1)]
    return "\n".join(
        "  ".join(
            str(cell).rjust(width) if column else str(cell).ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
