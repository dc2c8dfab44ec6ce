# SPDX-License-Identifier: GPL-2.0
"""python3 -m guest run|check|shell|list|bench: see --help. Runs inside `tools/env enter`."""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from . import machines, pins, qemu, report, runner, variants
from .bench import command as bench_command
from .errors import UsageError, unknown
from .ktap import Status
from .machine import Machine
from .paths import Paths
from .runner import Outcome

ARCHES = ("x86_64", "arm64")
# Two CPUs each and mostly busy: more at a time would only stretch their limits.
AT_A_TIME = 2
DEFAULT_MACHINE = "showcase"


def main() -> int:
    """Entry point; the exit code is 0 if nothing failed, 2 for a wrong request."""
    options = _parse_arguments()
    try:
        qemu.accelerator(options.accel)
        if options.arch not in ARCHES:
            raise unknown("ARCH", options.arch, list(ARCHES))
        commands = {
            "run": _run,
            "check": _check,
            "shell": _shell,
            "list": _list,
            "bench": _bench,
        }
        return commands[options.command](options)
    except UsageError as error:
        print(f"guest: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("guest: interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    """One machine, its console as it comes."""
    machine = _one_machine(options)
    print(f"==== {machine.name}: {machine.summary}", flush=True)
    outcome = runner.run(
        machine,
        Paths(machine.arch, machine.kernel),
        options.accel,
        machines.matching(machine, options.test),
        lambda line: print(line, flush=True),
    )
    print(report.summary_line(outcome))
    return _close([outcome], verbose=True)


def _check(options: argparse.Namespace) -> int:
    """All machines asked for, two at a time."""
    if options.machine:
        chosen = [_one_machine(options)]
    else:
        chosen = machines.select(options.arch, options.iommu, options.test, options.kernel)
    if len(chosen) == 1:
        options.machine = chosen[0].name
        return _run(options)
    outcomes = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running: list[Future[Outcome]] = [
            pool.submit(
                runner.run_or_fail,
                machine,
                Paths(machine.arch, machine.kernel),
                options.accel,
                machines.matching(machine, options.test),
            )
            for machine in chosen
        ]
        try:
            for number, future in enumerate(as_completed(running), start=1):
                outcome = future.result()
                outcomes.append(outcome)
                print(f"[{number}/{len(chosen)}] {report.summary_line(outcome)}", flush=True)
        except BaseException:
            # Not to wait for machines nobody wants to see any more.
            pool.shutdown(wait=False, cancel_futures=True)
            qemu.stop_all()
            raise
    return _close(outcomes, options.verbose)


def _shell(options: argparse.Namespace) -> int:
    """An interactive machine with its modules loaded."""
    machine = _one_machine(options)
    paths = Paths(machine.arch, machine.kernel)
    with tempfile.TemporaryDirectory(prefix=f"{machine.name}.", dir=paths.build) as folder:
        command = runner.command_of_shell(machine, paths, Path(folder), options.accel)
        return subprocess.run(command, check=False).returncode


def _list(options: argparse.Namespace) -> int:
    """What `check` would run with the same options, and the variants there are."""
    print("machines:")
    chosen = machines.select(options.arch, options.iommu, options.test, options.kernel)
    for machine in chosen:
        print(f"  {machine.name:24} {machine.arch:7} {machine.iommu:14} {machine.summary}")
        print(f"  {'':24} tests: {' '.join(machine.tests)}")
    print("IOMMU variants:")
    for variant in variants.VARIANTS.values():
        if variant.arch == options.arch:
            print(f"  {variant.name:24} {variant.arch:7} {variant.summary}")
    return 0


def _bench(options: argparse.Namespace) -> int:
    """The benchmark against the kernel's own driver."""
    try:
        return bench_command.bench(options.arch, options.accel, options.update)
    except BaseException:
        qemu.stop_all()
        raise


def _one_machine(options: argparse.Namespace) -> Machine:
    """The machine asked for, with another IOMMU if one is."""
    machine = machines.find(options.machine or DEFAULT_MACHINE, options.kernel)
    if options.iommu:
        machine = dataclasses.replace(machine, iommu=options.iommu)
        variants.find(options.iommu, machine.arch)
    return machine


def _close(outcomes: list[Outcome], verbose: bool) -> int:
    for outcome in outcomes:
        lines = report.details(outcome, verbose)
        if lines:
            print(f"{outcome.machine.name}:")
            print("\n".join(lines))
    counts = [sum(outcome.count(status) for outcome in outcomes) for status in Status]
    print(report.closing_line(*counts))
    return 1 if counts[1] else 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guest", description="Boots and judges test machines.")
    parser.add_argument(
        "command",
        choices=("run", "check", "shell", "list", "bench"),
        help="run: one machine, streaming its console; check: all of them, two at a time; "
        "shell: one machine, interactive; list: what check would run; bench: compare with the "
        "kernel's own driver",
    )
    parser.add_argument("--machine", help=f"which machine ({DEFAULT_MACHINE})")
    parser.add_argument("--test", help="only tests and machines with this in their name")
    parser.add_argument("--iommu", help="the IOMMU variant: see list")
    parser.add_argument("--accel", default="tcg", help="tcg (default) or kvm")
    parser.add_argument("--arch", default="x86_64", help="x86_64 (default) or arm64")
    parser.add_argument("--update", action="store_true", help="bench: keep the results")
    parser.add_argument(
        "--kernel",
        default=pins.DEFAULT,
        help=f"{' '.join(pins.ALL)} ({pins.DEFAULT})",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="name every test")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
