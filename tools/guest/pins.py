# SPDX-License-Identifier: GPL-2.0
"""The kernels of tools/pins, by the names that KERNEL= takes."""

import re
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
DEBUG = "debug"


def _pinned() -> tuple[str, ...]:
    text = (CLONE / "tools" / "pins").read_text(encoding="utf-8")
    table = re.search(r"^KERNELS='\n(.*?)^'", text, re.MULTILINE | re.DOTALL)
    assert table, "tools/pins has a table KERNELS"
    return tuple(line.split()[0] for line in table[1].splitlines())


# Those of the distribution, unmodified; the first is the default.
STOCK = _pinned()
DEFAULT = STOCK[0]
# And the one that is built from the default's source.
ALL = (*STOCK, DEBUG)
