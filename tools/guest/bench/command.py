# SPDX-License-Identifier: GPL-2.0
"""The command `bench`: measure, print, compare; or keep the results."""

import json
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..paths import CLONE
from . import chart, run, table

# Runs whose spread is kept with the results.
RUNS = 5


def files(arch: str) -> tuple[Path, Path]:
    """The committed results, and their chart."""
    folder = CLONE / "Documentation" / "bench"
    return folder / f"{arch}.json", folder / f"{arch}.svg"


def bench(arch: str, accel: str, update: bool) -> int:
    """Measures. With update the results become the committed ones; without, the exit code
    is 1 if something of ours is worse than those."""
    if arch != "x86_64":
        raise UsageError(f"ARCH='{arch}': the benchmark is there for x86_64")
    kept, picture = files(arch)
    if not update and not kept.exists():
        raise UsageError(f"{kept.relative_to(CLONE)} is missing: write it with BENCH=update")
    results = run.measure(accel, RUNS if update else 1)
    print()
    print("\n".join(table.lines(results)))
    print()
    if update:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(results, indent=1) + "\n")
        picture.write_text(chart.svg(results))
        print(f"written: {kept.relative_to(CLONE)}, {picture.relative_to(CLONE)}")
        return 0
    return _compare(json.loads(kept.read_text()), results)


def _compare(old: dict[str, Any], new: dict[str, Any]) -> int:
    if old["kernel"] != new["kernel"]:
        print(f"the committed results are those of {old['kernel']}: the kernel's part moves, too")
    moved, worse = table.moved(old, new)
    if not moved:
        print("nothing moved from the committed results by more than it does by itself")
        return 0
    print("moved from the committed results by more than it does by itself:")
    for line in moved:
        print(f"  {line}")
    if worse:
        print("ours became worse; if that is meant: make bench BENCH=update")
    return int(worse)
