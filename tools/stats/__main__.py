# SPDX-License-Identifier: GPL-2.0
"""Counts about the modules of a build folder.

Per module, and in total: its size (what is loaded, and the file with its debug information), lines
of code (without comments, blank lines and tests), unsafe blocks and impls (and how many stand
outside the places of Documentation/safety.rst), call sites of panic entry points left in its code,
and symbols that other modules may use. Modules without Rust are left out.
"""

import argparse
import sys
from pathlib import Path

from . import ceilings, counts

CLONE = Path(__file__).resolve().parents[2]
CEILINGS = Path("tools/ceilings.toml")


def main() -> int:
    """Says what was asked for; exit status 1 if a count is above its ceiling."""
    parser = argparse.ArgumentParser(
        prog="stats", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a build folder with .ko files")
    parser.add_argument(
        "what",
        choices=["table", "sites", "ceilings"],
        nargs="+",
        help="the table; the panic call sites by name; "
        f"what is not at its ceiling ({CEILINGS}), which fails if it is above",
    )
    options = parser.parse_args()
    files = [file.absolute() for file in sorted(options.folder.glob("*.ko"))]
    if not files:
        print(f"stats: no .ko files in '{options.folder}': run 'make modules'", file=sys.stderr)
        return 2
    modules = [found for file in files if (found := counts.of_module(file, CLONE))]
    status = 0
    if "table" in options.what:
        print(counts.table(modules))
    if "sites" in options.what:
        for module in modules:
            for site in module.sites:
                print(f"{module.name}: {site}")
    if "ceilings" in options.what:
        try:
            verdict = ceilings.compare(modules, ceilings.read(CLONE / CEILINGS), str(CEILINGS))
        except ceilings.Error as error:
            print(f"stats: {error}", file=sys.stderr)
            return 2
        print(*verdict.lines, sep="\n")
        status = int(verdict.rose)
    return status


if __name__ == "__main__":
    sys.exit(main())
