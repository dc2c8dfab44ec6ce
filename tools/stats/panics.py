# SPDX-License-Identifier: GPL-2.0
"""The places in a module's code from which a panic can start.

Counted are relocations to entry points of a panic (see symbols.py), and instructions that do
nothing but stop, unless the kernel's bug table says what they mean (that is what WARN is made of).
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from . import elf, symbols


@dataclass(frozen=True)
class Site:
    """A place from which a panic can start."""

    function: str
    source: str
    what: str

    def __str__(self) -> str:
        return f"{self.source}: {self.function}: {self.what}"


def sites(module: Path, clone: Path) -> list[Site]:
    """Those of a module, in the order of its code."""
    listing = elf.run("readelf", "--relocs", "--wide", str(module))
    relocations = elf.relocations(listing)
    undefined, functions = elf.symbols(
        elf.run("readelf", "--symbols", "--wide", str(module)),
        elf.section_names(elf.run("readelf", "--sections", "--wide", str(module))),
    )
    names = symbols.demangle(undefined | {function.name for function in functions})
    found = [
        (relocation.section, relocation.offset, names[relocation.symbol])
        for relocation in relocations
        if relocation.symbol in undefined
        and symbols.panics(relocation.symbol, names[relocation.symbol])
        # Generic ones are compiled into the module; who calls them is told, too.
        or relocation.section.startswith((".text", ".init.text", ".exit.text"))
        and names.get(relocation.symbol, "").startswith("core::panicking::")
    ]
    meant = {
        (relocation.symbol, relocation.addend)
        for relocation in relocations
        if relocation.section == "__bug_table"
    }
    disassembly = elf.run(
        objdump(module), "--disassemble", "--no-show-raw-insn", str(module)
    )
    found += [
        (section, offset, "an instruction that stops the kernel")
        for section, offset in elf.traps(disassembly)
        if (section, offset) not in meant
    ]
    return locate(module, clone, sorted(found), functions, names)


def objdump(module: Path) -> str:
    """The disassembler for the machine that the module is made for."""
    machine = re.search(r"Machine:\s+(.*)", elf.run("readelf", "--file-header", str(module)))
    return "aarch64-linux-gnu-objdump" if machine and "AArch64" in machine[1] else "objdump"


def locate(
    module: Path,
    clone: Path,
    places: list[tuple[str, int, str]],
    functions: list[elf.Function],
    names: dict[str, str],
) -> list[Site]:
    """Names the function and the source line of each place."""
    found: list[Site] = []
    for section in sorted({section for section, _, _ in places}):
        here = [(offset, what) for other, offset, what in places if other == section]
        inside = sorted(
            (function for function in functions if function.section == section),
            key=lambda function: function.start,
        )
        starts = [function.start for function in inside]
        lines = elf.source_lines(module, section, [offset for offset, _ in here])
        for offset, what in here:
            index = bisect_right(starts, offset)
            function = names[inside[index - 1].name] if index else section
            found.append(Site(function, best_line(lines.get(offset, []), clone), what))
    return found


def best_line(lines: list[tuple[str, str]], clone: Path) -> str:
    """The first line that is in the clone, from the inside out; else the innermost."""
    for path, line in lines:
        file = Path(path)
        if file.is_relative_to(clone):
            return f"{file.relative_to(clone)}:{line}"
    return ":".join(lines[0]) if lines else "no line known"
