# SPDX-License-Identifier: GPL-2.0
"""Parses KTAP (Documentation/dev-tools/ktap.rst of the kernel), version 1.

The stream is the console: results arrive through /dev/kmsg, so each line is
whole, but kernel messages stand between them. What is no KTAP line is skipped.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

from .console import clean, without_prefix

_RESULT = re.compile(r"^( *)(not )?ok (\d+)(?: -)?(?: ([^#]*?))?(?: *# *(SKIP|TODO)\b *(.*))?$")
_PLAN = re.compile(r"^( *)1\.\.(\d+)(?: *# *SKIP.*)?$")
_VERSION = re.compile(r"^( *)(?:K?TAP) version (\d+)$")
_SUBTEST = re.compile(r"^( *)# Subtest: (.*)$")
_DIAGNOSTIC = re.compile(r"^( *)# ?(.*)$")
_STAT = re.compile(r"^STAT (\S+) (\S+)$")


class Status(Enum):
    """How a test ended."""

    PASS = "passed"
    FAIL = "failed"
    SKIP = "skipped"


@dataclass
class Result:
    """One test case; the name is the path: "smoke/data round trip"."""

    name: str
    status: Status
    # What was said about it (for SKIP: the reason).
    notes: list[str] = field(default_factory=list)
    # Its line in the console.
    line: int = -1


@dataclass
class Results:
    """All leaf cases of a stream, and what was wrong with the stream itself."""

    cases: list[Result] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    # Values from "# STAT name value" lines; the last of a name counts.
    stats: dict[str, str] = field(default_factory=dict)

    def count(self, status: Status) -> int:
        """How many cases ended so."""
        return sum(case.status is status for case in self.cases)

    def tests(self) -> set[str]:
        """The scripts that ran: the second part of the cases' names, after the machine's."""
        return {case.name.split("/")[1] for case in self.cases if "/" in case.name}

    def stat(self, name: str) -> int:
        """A STAT value as a number (decimal or 0x...)."""
        if name not in self.stats:
            known = ", ".join(sorted(self.stats)) or "none"
            raise KeyError(f"the guest printed no 'STAT {name}'; it printed: {known}")
        return int(self.stats[name], 0)


@dataclass
class _Level:
    """A (sub)test being read: its indentation, plan and cases so far."""

    indent: int
    planned: int | None = None
    seen: int = 0
    # First of its cases in the flat list; their names get our name in front.
    first_case: int = 0
    notes: list[str] = field(default_factory=list)


def parse(lines: list[str]) -> Results:
    """Reads a whole console."""
    return _Parser().run(lines)


class _Parser:
    def __init__(self) -> None:
        self.results = Results()
        self.levels: list[_Level] = []

    def run(self, lines: list[str]) -> Results:
        """Reads the lines; the plan of the outermost level must be met."""
        for number, raw in enumerate(lines):
            self._line(number, without_prefix(clean(raw)))
        if not self.levels:
            self.results.errors.append("no KTAP header: the guest did not get to its tests")
            return self.results
        for level in self.levels:
            self._check_plan(level, "the guest")
        if len(self.levels) > 1:
            self.results.errors.append("the stream ends inside a subtest")
        return self.results

    def _line(self, number: int, line: str) -> None:
        if match := _VERSION.match(line):
            self._open(len(match[1]))
        elif not self.levels:
            return
        elif match := _SUBTEST.match(line):
            self._open(len(match[1]))
        elif match := _PLAN.match(line):
            self._level_of(len(match[1])).planned = int(match[2])
        elif match := _RESULT.match(line):
            self._result(number, match)
        elif match := _DIAGNOSTIC.match(line):
            self._note(match[2])

    def _open(self, indent: int) -> None:
        """A header; "# Subtest" follows or replaces the version line."""
        if not self.levels or indent > self.levels[-1].indent:
            self.levels.append(_Level(indent, first_case=len(self.results.cases)))

    def _level_of(self, indent: int) -> _Level:
        """The level a line of that indentation belongs to."""
        for level in reversed(self.levels):
            if level.indent <= indent:
                return level
        return self.levels[0]

    def _note(self, text: str) -> None:
        if match := _STAT.match(text):
            self.results.stats[match[1]] = match[2]
        else:
            self.levels[-1].notes.append(text)

    def _result(self, number: int, match: re.Match[str]) -> None:
        indent, failed, index = len(match[1]), bool(match[2]), int(match[3])
        name = (match[4] or "").strip() or f"case {index}"
        directive, reason = match[5], match[6]

        # A result further out closes the subtests inside.
        inner: _Level | None = None
        while len(self.levels) > 1 and self.levels[-1].indent > indent:
            inner = self.levels.pop()
            self._check_plan(inner, name)
        level = self.levels[-1]
        level.seen += 1
        if index != level.seen:
            self.results.errors.append(f"'{name}' is number {index}; expected {level.seen}")
            level.seen = index

        notes, level.notes = level.notes, []
        if inner is not None and self._close_subtest(inner, name, failed):
            return
        if directive == "SKIP":
            status, notes = Status.SKIP, [reason] if reason else notes
        elif failed and directive == "TODO":
            status, notes = Status.SKIP, [f"known failure: {reason}"]
        else:
            status = Status.FAIL if failed else Status.PASS
        if inner is not None:
            notes = notes + inner.notes
        self.results.cases.append(Result(name, status, notes, number))

    def _close_subtest(self, inner: _Level, name: str, failed: bool) -> bool:
        """Names the cases of a subtest after it. True: they tell all there is."""
        cases = self.results.cases[inner.first_case :]
        for case in cases:
            case.name = f"{name}/{case.name}"
        explained = any(case.status is Status.FAIL for case in cases)
        return bool(cases) and (explained or not failed)

    def _check_plan(self, level: _Level, name: str) -> None:
        if level.planned is None:
            self.results.errors.append(f"{name}: no plan: it ended early")
        elif level.planned != level.seen:
            self.results.errors.append(
                f"{name}: {level.planned} tests were planned, {level.seen} ran"
            )
