# SPDX-License-Identifier: GPL-2.0
"""Runs the machines of the benchmark, and puts together what they measured."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from .. import kernels, pins, report, runner
from ..bench_machines import BUILTIN, COUNTING, FLOOR, OURS, RACING
from ..errors import UsageError
from ..evidence import Evidence
from ..machine import Machine, Verdict
from ..paths import Paths
from ..qemu import Host
from . import rows

AT_A_TIME = 2
# Less than a guest waits for an answer (lib.sh).
PATIENCE = 55.0


@dataclass
class Turns:
    """Has machines do something one after the other, again and again."""

    order: tuple[str, ...]
    _there: set[str] = field(default_factory=set)
    _next: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def action(self, name: str) -> Callable[[Host, list[str]], str]:
        """turn take: once all are there and it is this one's turn. turn give: it is over."""

        def turn(_host: Host, arguments: list[str]) -> str:
            (what,) = arguments
            with self._changed:
                if what == "give":
                    self._next += 1
                    self._changed.notify_all()
                    return ""
                self._there.add(name)
                self._changed.notify_all()
                if not self._changed.wait_for(lambda: self._is_turn_of(name), PATIENCE):
                    raise ValueError(f"the others ({', '.join(self.order)}) do not take turns")
            return ""

        return turn

    def _is_turn_of(self, name: str) -> bool:
        everyone = len(self._there) == len(self.order)
        return everyone and self.order[self._next % len(self.order)] == name


def _keeping(machine: Machine) -> tuple[Machine, list[Evidence]]:
    """The machine with a check that keeps what it left behind."""
    kept: list[Evidence] = []

    def keep(evidence: Evidence) -> Iterable[Verdict]:
        kept.append(evidence)
        return ()

    return replace(machine, checks=(*machine.checks, keep)), kept


def _run_all(machines: dict[str, Machine], accel: str) -> dict[str, Evidence]:
    """Boots the machines, two at a time; what each left behind, by its name here."""
    kept = {
        name: _keeping(kernels.booting(machine, pins.DEFAULT)) for name, machine in machines.items()
    }
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = {
            name: pool.submit(runner.run, machine, Paths(machine.arch), accel)
            for name, (machine, _) in kept.items()
        }
        outcomes = {name: future.result() for name, future in running.items()}
    for outcome in outcomes.values():
        print(report.summary_line(outcome), flush=True)
    for name, outcome in outcomes.items():
        if outcome.failures or not kept[name][1]:
            print("\n".join(report.details(outcome, verbose=False)))
            raise UsageError(f"machine {outcome.machine.name} failed: nothing is compared")
    return {name: evidences[0] for name, (_, evidences) in kept.items()}


def measure(accel: str, runs: int = 1) -> dict[str, Any]:
    """All there is to measure; the results as they are committed. The instructions are
    counted in so many runs; if there are several, their spread is in the results."""
    counts = [_run_all(COUNTING, accel) for _ in range(runs)]
    counted = counts[0]
    turns = Turns((OURS, BUILTIN))
    raced = _run_all(
        {
            name: replace(machine, actions={"turn": turns.action(name)})
            for name, machine in RACING.items()
        },
        accel,
    )
    instructions, spread = rows.together([_instructions(run) for run in counts])
    sent = {name: rows.invalidations(counted[name]) for name in (OURS, BUILTIN)}
    return {
        "kernel": _release(counted[OURS]),
        "instructions": instructions,
        **({"spread": spread} if runs > 1 else {}),
        "invalidations": {
            name: {who: sent[who][name] for who in (OURS, BUILTIN)}
            for name in sent[OURS]
            if sent[OURS][name] or sent[BUILTIN][name]
        },
        "table_pages": {who: rows.table_pages(counted[who]) for who in (OURS, BUILTIN)},
        "throughput": rows.throughput(raced[OURS], raced[BUILTIN]),
    }


def _instructions(counted: dict[str, Evidence]) -> dict[str, dict[str, float]]:
    """The instructions of one run, by row and by who took them."""
    each = {name: rows.instructions(evidence) for name, evidence in counted.items()}
    return {name: {who: each[who][name] for who in (OURS, BUILTIN, FLOOR)} for name in each[OURS]}


def _release(evidence: Evidence) -> str:
    """The kernel's release, as it says at boot."""
    for line in evidence.console:
        if "Linux version " in line:
            return line.partition("Linux version ")[2].split()[0]
    raise UsageError("the guest's log has no 'Linux version'")
