# SPDX-License-Identifier: GPL-2.0
"""Where things are: the clone, its build folder, the layers of tools/env."""

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import pins
from .errors import UsageError

CLONE = pins.CLONE
GUEST_SIDE = CLONE / "tests" / "guest"


@dataclass(frozen=True)
class Paths:
    """The folders of one architecture and kernel (a name of kernels.py)."""

    arch: str
    kernel: str = pins.DEFAULT

    @property
    def build(self) -> Path:
        """Our modules."""
        suffix = "" if self.kernel == pins.DEFAULT else f"-{self.kernel}"
        return CLONE / "build" / f"{self.arch}{suffix}"

    @property
    def logs(self) -> Path:
        """Console and trace of each machine's last run."""
        return self.build / "logs"

    @functools.cached_property
    def boot(self) -> Path:
        """The kernel to boot, with its modules (tools/env.d/make-stock, make-debug)."""
        return _layer(pins.DEBUG if self.kernel == pins.DEBUG else "stock", self)

    @functools.cached_property
    def source(self) -> Path:
        """The kernel's sources."""
        return _layer("source", self)


def _layer(what: str, paths: Paths) -> Path:
    which = (f"ARCH={paths.arch}", f"KERNEL={paths.kernel}")
    command = ["env", *which, str(CLONE / "tools" / "env"), "path", what]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise UsageError(answer.stderr.strip())
    return Path(answer.stdout.strip())
