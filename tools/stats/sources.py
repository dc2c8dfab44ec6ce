# SPDX-License-Identifier: GPL-2.0
"""What is in the sources of a module: lines of code, unsafe blocks."""

import re
from pathlib import Path

# Where an unsafe block may stand: Documentation/safety.rst.
UNSAFE_PLACES = ("rust/", "drivers/iommu/bridge/", "drivers/iommu/pgtable/entry.rs")

# Blocks and impls.
UNSAFE = re.compile(r"\bunsafe\s*(?:\{|impl\b)")
TEXT = re.compile(
    r'(?P<line>//[^\n]*)|(?P<block>/\*)'
    r'|(?P<text>\bb?c?r(?P<hashes>#*)".*?"(?P=hashes)|\b[bc]"(?:\\.|[^"\\])*"|"(?:\\.|[^"\\])*")'
    r"|(?P<character>b?'(?:\\u\{[^}]*\}|\\x..|\\.|[^'\\])')",
    re.DOTALL,
)
COMMENT_BORDER = re.compile(r"/\*|\*/")
BORDER = re.compile(r"\{|\};?|;")
# What the modules of a kernel without KUnit do not have.
TESTS = re.compile(
    r"#\[(?:cfg\((?:test|(?:any\(test, )?CONFIG_KUNIT\b[^\]]*)\)|(?:\w+::)*kunit_tests\b[^\]]*)\]"
)


def blank(text: str) -> str:
    """As many lines as `text`, with nothing in them."""
    return re.sub(r"[^\n]", " ", text)


def comment_end(source: str, start: int) -> int:
    """Where the block comment that starts at `start` ends: they nest in Rust."""
    depth = 0
    for border in COMMENT_BORDER.finditer(source, start):
        depth += 1 if border[0] == "/*" else -1
        if depth == 0:
            return border.end()
    return len(source)


def without_comments(source: str) -> tuple[str, str]:
    """The source with comments blanked out; the same with texts blanked out, too."""
    code: list[str] = []
    bare: list[str] = []
    at = 0
    while match := TEXT.search(source, at):
        plain = source[at : match.start()]
        at = comment_end(source, match.start()) if match["block"] else match.end()
        whole = source[match.start() : at]
        is_text = match["text"] or match["character"]
        code += [plain, whole if is_text else blank(whole)]
        bare += [plain, blank(whole)]
    return "".join([*code, source[at:]]), "".join([*bare, source[at:]])


def item_end(bare: str, start: int) -> int:
    """Where the item that begins at `start` ends: at its closing brace (and the semicolon of
    `use x::{y, z};`), or its semicolon."""
    depth = 0
    for match in BORDER.finditer(bare, start):
        depth += {"{": 1, "}": -1, ";": 0}[match[0][0]]
        if depth == 0:
            return match.end()
    return len(bare)


def without_tests(source: str) -> tuple[str, str]:
    """As `without_comments`, and with tests blanked out."""
    code, bare = without_comments(source)
    at = 0
    while match := TESTS.search(bare, at):
        at = item_end(bare, match.end())
        code = code[: match.start()] + blank(code[match.start() : at]) + code[at:]
        bare = bare[: match.start()] + blank(bare[match.start() : at]) + bare[at:]
    return code, bare


def code_lines(source: str) -> int:
    """Lines that hold more than comments, and are not part of a test."""
    code, _ = without_tests(source)
    return sum(1 for line in code.splitlines() if line.strip())


def unsafe_blocks(source: str) -> int:
    """Unsafe blocks and impls, outside tests."""
    _, bare = without_tests(source)
    return len(UNSAFE.findall(bare))


def has_place(file: Path, clone: Path) -> bool:
    """Whether unsafe blocks may stand in the file."""
    name = file.relative_to(clone).as_posix()
    return any(
        name.startswith(place) if place.endswith("/") else name == place
        for place in UNSAFE_PLACES
    )


def of_module(module: Path, clone: Path) -> set[Path]:
    """The files of the clone, Rust and C, that a module was compiled from."""
    folder = module.parent
    found: set[Path] = set()
    lists = folder.rglob(f"{module.stem}.mod")
    for name in [name for names in lists for name in names.read_text().split()]:
        # Kbuild writes what went into an object beside it.
        command = folder / Path(name).parent / f".{Path(name).name}.cmd"
        if not command.exists():
            continue
        for word in re.findall(r"[^\s\\=()]+\.(?:rs|c|h)(?!\S)", command.read_text()):
            file = (folder / word).resolve()
            generated = file.is_relative_to(clone / "build")
            if file.is_relative_to(clone) and not generated and file.is_file():
                found.add(file)
    return found
