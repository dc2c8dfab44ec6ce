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
    """The folders of one architecture and kernel (a name of kernels.py)."""

    arch: str
    kernel: str = "stock"

    @property
    def build(self) -> Path:
        """Our modules."""
        suffix = "" if self.kernel == "stock" else f"-{self.kernel}"
        return CLONE / "build" / f"{self.arch}{suffix}"

    @property
    def logs(self) -> Path:
        """Console and trace of each machine's last run."""
        return self.build / "logs"

    @functools.cached_property
    def boot(self) -> Path:
        """The kernel to boot, with its modules (tools/env.d/make-stock, make-debug)."""
        return _layer(self.kernel, self.arch)

    @functools.cached_property
    def source(self) -> Path:
        """The kernel's sources."""
        return _layer("source", self.arch)


def _layer(what: str, arch: str) -> Path:
    command = ["env", f"ARCH={arch}", str(CLONE / "tools" / "env"), "path", what]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise UsageError(answer.stderr.strip())
    return Path(answer.stdout.strip())
