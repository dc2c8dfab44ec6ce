# SPDX-License-Identifier: GPL-2.0
"""`make installed`: all installed machines, two at a time."""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from guest import pins, qemu, report
from guest.errors import UsageError, unknown
from guest.ktap import Status
from guest.paths import CLONE, Paths

from .machines import MACHINES, Installed
from .machine import run_or_fail

AT_A_TIME = 2


def chosen(pattern: str | None) -> list[Installed]:
    """The machines with that in their name."""
    found = [machine for machine in MACHINES if (pattern or "") in machine.name]
    if not found:
        raise unknown("TEST", str(pattern), [machine.name for machine in MACHINES])
    return found


def main() -> int:
    """Entry point; the exit code is 0 if nothing failed, 2 for a wrong request."""
    parser = argparse.ArgumentParser(prog="installed", description="Boots an installed Debian.")
    parser.add_argument("--layer", type=Path, required=True, help="tools/env path installed")
    parser.add_argument("--release", required=True, help="of the kernel")
    parser.add_argument("--kernel", default=pins.DEFAULT, help=f"its name ({pins.DEFAULT})")
    parser.add_argument("--test", help="only machines with this in their name")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every test")
    options = parser.parse_args()
    try:
        machines = chosen(options.test)
        packages = sorted((CLONE / "build" / "deb" / options.release).glob("*.deb"))
        if not packages:
            raise UsageError(f"there is no package for {options.release}: make deb")
    except UsageError as error:
        print(f"installed: error: {error}", file=sys.stderr)
        return 2
    paths = Paths("x86_64", options.kernel)
    outcomes = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [
            pool.submit(run_or_fail, machine, paths, options.layer, packages)
            for machine in machines
        ]
        try:
            for number, future in enumerate(as_completed(running), start=1):
                outcomes.append(future.result())
                print(
                    f"[{number}/{len(machines)}] {report.summary_line(outcomes[-1])}", flush=True
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            qemu.stop_all()
            raise
    for outcome in outcomes:
        lines = report.details(outcome, options.verbose)
        if lines:
            print(f"{outcome.machine.name}:")
            print("\n".join(lines))
    counts = [sum(outcome.count(status) for outcome in outcomes) for status in Status]
    print(report.closing_line(*counts))
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
