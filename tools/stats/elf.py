# SPDX-License-Identifier: GPL-2.0
"""What is in an object file, told by binutils."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECTION = re.compile(r"^\s*\[\s*(\d+)\]\s+(\S+)\s+[A-Z_]+\s+[0-9a-f]{16}\s")
SYMBOL = re.compile(r"^\s*\d+:\s+([0-9a-f]+)\s+(\S+)\s+(\w+)\s+\w+\s+\w+.*?\s(\w+)\s+(\S+)$")
RELOCATIONS = re.compile(r"^Relocation section '\.rela?(\S*)'")
RELOCATION = re.compile(
    r"^([0-9a-f]{8,16})\s+[0-9a-f]+\s+\S+\s+[0-9a-f]+\s+(\S+)(?:\s+([+-])\s+([0-9a-f]+))?$"
)
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)")
DISASSEMBLED = re.compile(r"^Disassembly of section (\S+):$")
# Instructions whose only use is to stop: x86's, and those of arm64.
TRAPS = {"ud1", "ud2", "ud2a", "ud2b", "udf", "brk"}


@dataclass(frozen=True)
class Relocation:
    """A place in a section that refers to a symbol."""

    section: str
    offset: int
    symbol: str
    addend: int


@dataclass(frozen=True)
class Function:
    """A function that the object has."""

    name: str
    section: str
    start: int
    size: int


def run(tool: str, *arguments: str) -> str:
    """What a tool prints."""
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=True).stdout


def relocations(listing: str) -> list[Relocation]:
    """Those in `readelf --relocs --wide`, but for debug information and the like."""
    found: list[Relocation] = []
    section = ""
    for line in listing.splitlines():
        if header := RELOCATIONS.match(line):
            section = header[1]
        elif match := RELOCATION.match(line):
            if not section.startswith((".debug", ".discard", ".orc", ".BTF")):
                addend = int((match[3] or "+") + (match[4] or "0"), 16)
                found.append(Relocation(section, int(match[1], 16), match[2], addend))
    return found


def section_names(listing: str) -> dict[str, str]:
    """Those in `readelf --sections --wide`, by index."""
    return {
        match[1]: match[2] for line in listing.splitlines() if (match := SECTION.match(line))
    }


def symbols(listing: str, sections: dict[str, str]) -> tuple[set[str], list[Function]]:
    """In `readelf --symbols --wide`: the names that other objects define, and the functions."""
    undefined: set[str] = set()
    functions: list[Function] = []
    for line in listing.splitlines():
        if not (match := SYMBOL.match(line)):
            continue
        value, size, kind, index, name = match.groups()
        if index == "UND":
            undefined.add(name)
        elif kind == "FUNC" and index in sections:
            functions.append(Function(name, sections[index], int(value, 16), int(size, 0)))
    return undefined, functions


def traps(listing: str) -> list[tuple[str, int]]:
    """Section and offset of the instructions in `objdump --disassemble` that only stop."""
    found: list[tuple[str, int]] = []
    section = ""
    for line in listing.splitlines():
        if header := DISASSEMBLED.match(line):
            section = header[1]
        elif (match := INSTRUCTION.match(line)) and match[2] in TRAPS:
            found.append((section, int(match[1], 16)))
    return found


def source_lines(file: Path, section: str, offsets: list[int]) -> dict[int, list[tuple[str, str]]]:
    """For each offset the file and line it was compiled from; after it, the lines that it was
    inlined into."""
    addresses = [f"{offset:#x}" for offset in offsets]
    if not addresses:
        return {}
    answer = run(
        "addr2line", "-a", "-i", "-e", str(file), f"--section={section}", *addresses
    ).splitlines()
    found: dict[int, list[tuple[str, str]]] = {}
    lines: list[tuple[str, str]] = []
    for text in answer:
        if text.startswith("0x"):
            lines = found.setdefault(int(text, 16), [])
        else:
            path, _, line = text.partition(" (")[0].rpartition(":")
            lines.append((path, line))
    return found


def exported(listing: str) -> int:
    """How many symbols other modules may use, by `readelf --symbols --wide`."""
    return sum(
        1
        for line in listing.splitlines()
        if (match := SYMBOL.match(line)) and match[5].startswith("__ksymtab_")
        if match[3] == "NOTYPE"
    )


def loaded_size(module: Path) -> int:
    """Bytes of code and data, without debug information."""
    return int(run("size", str(module)).splitlines()[1].split()[3])
