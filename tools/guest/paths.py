# SPDX-License-Identifier: GPL-2.0
"""Where things are: the clone, its build folder, the layers of tools/env."""

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError

CLONE = Path(__file__).resolve().parents[2]
GUEST_SIDE = CLONE / "tests" / "guest"


@dataclass(frozen=True)
class Paths:
    """The folders of one architecture."""

    arch: str

    @property
    def build(self) -> Path:
        """Our modules."""
        return CLONE / "build" / self.arch

    @property
    def logs(self) -> Path:
        """Console and trace of each machine's last run."""
        return self.build / "logs"

    @functools.cached_property
    def stock(self) -> Path:
        """The unpacked stock kernel (see tools/env.d/make-stock)."""
        return _layer("stock", self.arch)


def _layer(what: str, arch: str) -> Path:
    command = ["env", f"ARCH={arch}", str(CLONE / "tools" / "env"), "path", what]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise UsageError(answer.stderr.strip())
    return Path(answer.stdout.strip())
