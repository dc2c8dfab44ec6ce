# SPDX-License-Identifier: GPL-2.0
"""Says how machines did: one line each, the part that matters on a failure."""

from .ktap import Status
from .paths import CLONE
from .runner import Outcome

CONTEXT_BEFORE = 10
CONTEXT_AFTER = 30
TAIL = 40


def summary_line(outcome: Outcome) -> str:
    """One line for a machine."""
    verdict = "FAILED" if outcome.failures else "ok"
    skipped = outcome.count(Status.SKIP)
    return (
        f"{verdict:6} {outcome.machine.name:24} {outcome.count(Status.PASS):4} passed"
        + (f", {len(outcome.failures)} failed" if outcome.failures else "")
        + (f", {skipped} skipped" if skipped else "")
        + f"  ({outcome.seconds:.0f}s)"
        + ("  (ended before init, started again)" if outcome.started_again else "")
    )


def details(outcome: Outcome, verbose: bool) -> list[str]:
    """What went wrong, why things were skipped, and with verbose all cases."""
    lines = []
    for case in outcome.cases:
        if case.status is Status.PASS and not verbose:
            continue
        word = {Status.PASS: "ok", Status.FAIL: "FAILED", Status.SKIP: "skipped"}[case.status]
        lines.append(f"    {word}: {case.name}")
        if case.status is not Status.PASS or verbose:
            lines += [f"        {note}" for note in case.notes]
    if outcome.failures:
        lines += _console_part(outcome)
        lines.append(f"    whole log: {outcome.log.relative_to(CLONE)}")
    return lines


def closing_line(passed: int, failed: int, skipped: int) -> str:
    """The last line of every run."""
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def _console_part(outcome: Outcome) -> list[str]:
    """Around the kernel's first complaint, else the first failed test, else the end."""
    at = [splat.line for splat in outcome.splats[:1]]
    at = at or [case.line for case in outcome.failures if case.line >= 0][:1]
    if at:
        first = max(0, at[0] - CONTEXT_BEFORE)
        after = CONTEXT_AFTER if outcome.splats else 5
        part = outcome.console[first : at[0] + after]
        title = f"    console, from line {first + 1}:"
    else:
        part = outcome.console[-TAIL:]
        title = f"    console, last {len(part)} lines:"
    return [title, *(f"    | {line}" for line in part)]
