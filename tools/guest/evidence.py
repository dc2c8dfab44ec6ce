# SPDX-License-Identifier: GPL-2.0
"""What a run left behind, as the host-side checks of a machine see it."""

from dataclasses import dataclass

from .ktap import Results
from .machine import Machine
from .trace import Trace


@dataclass
class Evidence:
    """The three streams of one run."""

    machine: Machine
    results: Results
    # Console lines, cleaned.
    console: list[str]
    # What QEMU's IOMMU did; cut it with trace.between(mark, mark).
    trace: Trace

    def said(self, text: str) -> bool:
        """Whether the console has a line with that text."""
        return any(text in line for line in self.console)
