# SPDX-License-Identifier: GPL-2.0
"""Runs a machine and judges it: the guest's own results, the host's checks, the
kernel's complaints, and whether it came to its end at all."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import actions, initramfs, kernels, ktap, qemu, trace
from .console import Splat, find_splats
from .errors import UsageError
from .evidence import Evidence
from .ktap import Result, Status
from .machine import Machine
from .paths import Paths

END_MARK = "# guest: done"
INIT_MARK = "Run /init as init process"


@dataclass
class Outcome:
    """A machine's run, judged."""

    machine: Machine
    seconds: float
    cases: list[Result]
    console: list[str]
    log: Path
    splats: list[Splat] = field(default_factory=list)
    started_again: bool = False

    def count(self, status: Status) -> int:
        """How many cases ended so."""
        return sum(case.status is status for case in self.cases)

    @property
    def failures(self) -> list[Result]:
        """The failed cases."""
        return [case for case in self.cases if case.status is Status.FAIL]


def run(
    machine: Machine,
    paths: Paths,
    accel: str,
    tests: list[str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Boots the machine, runs its tests (or those given) and judges.

    A kernel that hangs or panics before it starts init, and so before anything of
    ours, is started once more, and the report says so: under emulation the stock
    kernel now and then does not get past bringing up its CPUs, or meets the
    breakpoint by which it patches its own code.
    """
    paths.logs.mkdir(parents=True, exist_ok=True)
    tests = list(machine.tests) if tests is None else tests
    log, trace_file = _log_files(machine, paths)
    ended, seen = _boot(machine, paths, accel, tests, on_line)
    stuck = before_init(ended)
    if stuck:
        log.replace(log.with_suffix(".first.log"))
        ended, seen = _boot(machine, paths, accel, tests, on_line)
    outcome = judge(machine, ended, seen, log)
    outcome.started_again = stuck
    return outcome


def before_init(ended: qemu.Exit) -> bool:
    """Whether there was a kernel, and it did not get as far as to start init. (QEMU
    ends at once, and without one, if it is asked for what it does not have.)"""

    def said(words: str) -> bool:
        return any(words in line for line in ended.console)

    return (ended.timed_out or said("Linux version")) and not said(INIT_MARK)


def _boot(
    machine: Machine,
    paths: Paths,
    accel: str,
    tests: list[str],
    on_line: Callable[[str], None],
) -> tuple[qemu.Exit, trace.Trace]:
    log, trace_file = _log_files(machine, paths)
    trace_file.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{machine.name}.", dir=paths.build) as name:
        folder = Path(name)
        (folder / "initrd").write_bytes(initramfs.compose(machine, paths, tests))
        qemu.make_disks(machine, folder)
        kernel = kernels.find(machine.kernel)
        host = qemu.Host(machine, folder, trace_file, slowness=kernel.slowness)
        command = qemu.command_line(
            machine, paths.boot, folder, trace_file, accel, interactive=False
        )
        limits = qemu.Limits(
            machine.time_limit, kernel.boot_limit, kernel.boot_silence, INIT_MARK
        )
        ended = qemu.run(command, limits, log, on_line, lambda ask: actions.answer(host, ask))
        host.close()
    return ended, trace.read(trace_file, host.marks)


def run_or_fail(machine: Machine, paths: Paths, accel: str, tests: list[str]) -> Outcome:
    """As `run`, but a machine that cannot be started is a failed one: the others
    shall have their turn."""
    try:
        return run(machine, paths, accel, tests)
    except (UsageError, OSError) as error:
        failed = Result(f"{machine.name}/host/start", Status.FAIL, [str(error)])
        return Outcome(machine, 0.0, [failed], [], _log_files(machine, paths)[0])


def command_of_shell(machine: Machine, paths: Paths, folder: Path, accel: str) -> list[str]:
    """Prepares `folder`, and returns the command of an interactive machine."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    (folder / "initrd").write_bytes(initramfs.compose(machine, paths, None))
    qemu.make_disks(machine, folder)
    trace_file = _log_files(machine, paths)[1]
    return qemu.command_line(machine, paths.boot, folder, trace_file, accel, interactive=True)


def judge(machine: Machine, ended: qemu.Exit, seen: trace.Trace, log: Path) -> Outcome:
    """All verdicts on a run, the guest's own first."""
    results = ktap.parse(ended.console)
    cases = list(results.cases)
    for case in cases:
        case.name = f"{machine.name}/{case.name}"

    def verdict(name: str, passed: bool, note: str) -> None:
        status = Status.PASS if passed else Status.FAIL
        cases.append(Result(f"{machine.name}/host/{name}", status, [note]))

    if ended.timed_out:
        note = f"still running after {ended.seconds:.0f} s: killed"
        if before_init(ended):
            note += ", as it did not come as far as to start init"
        verdict("time limit", False, "; ".join([note, *results.errors]))
    elif not any(END_MARK in line for line in ended.console):
        note = f"QEMU ended (status {ended.status}) before the tests did"
        verdict("end", False, "; ".join([note, *results.errors]))
    else:
        for error in results.errors:
            verdict("results", False, error)
    splats = find_splats(ended.console, machine.expected_splats, machine.lock_circles)
    if splats:
        verdict("kernel log", False, f"the kernel complains: {splats[0].text}")
    for module, message in machine.refuses.items():
        said = any(message in line for line in ended.console)
        verdict(f"{module} says why", said, f"expected in the kernel log: '{message}'")
    if results.cases:
        evidence = Evidence(machine, results, ended.console, seen)
        for check in machine.checks:
            try:
                for name, passed, note in check(evidence):
                    verdict(name, passed, note)
            # A check that stumbles over what it finds is a failed check.
            except Exception as error:  # pylint: disable=broad-exception-caught
                verdict(check.__name__, False, f"{type(error).__name__}: {error}")
    return Outcome(machine, ended.seconds, cases, ended.console, log, splats)


def _log_files(machine: Machine, paths: Paths) -> tuple[Path, Path]:
    return paths.logs / f"{machine.name}.log", paths.logs / f"{machine.name}.trace"
