# SPDX-License-Identifier: GPL-2.0
"""Runs an installed machine, and judges it.

One QEMU from the first boot to the last. The results of the guest come over the second
serial line, where no kernel message can stand in the middle of one; the console is the
first, and goes to a file.
"""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from guest import ktap, qemu
from guest.console import clean, find_splats
from guest.errors import UsageError
from guest.ktap import Result, Status
from guest.machine import Machine
from guest.paths import CLONE, Paths
from guest.runner import END_MARK, Outcome

from .machines import Installed

SCRIPTS = CLONE / "tests" / "installed"
# Seconds, for what hangs. A boot takes 60 on an idle host.
TIME_LIMIT = 2400
SILENCE = 600
# What a refused load must put on the console, even if that is quiet.
REFUSED = "rust-iommu: rust_vtd: "


def run(machine: Installed, paths: Paths, layer: Path, packages: list[Path]) -> Outcome:
    """Starts the machine from copies of the layer's disks."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    log = paths.logs / f"{machine.name}.log"
    results_log = log.with_suffix(".results.log")
    log.write_bytes(b"")
    with tempfile.TemporaryDirectory(prefix=f"{machine.name}.", dir=paths.build) as name:
        folder = Path(name)
        for disk in machine.disks:
            copy = ("cp", "--sparse=always", str(layer / f"{disk}.img"), str(folder))
            subprocess.run(copy, check=True)
        (folder / "payload.img").write_bytes(payload(machine, packages))
        limits = qemu.Limits(TIME_LIMIT, SILENCE, SILENCE, "KTAP version 1")
        ended = qemu.run(
            command_line(machine, folder, log), limits, results_log, lambda _: None, lambda _: ""
        )
    console = [clean(line) for line in log.read_text(errors="replace").splitlines()]
    return judge(machine, ended, console, log)


def payload(machine: Installed, packages: list[Path]) -> bytes:
    """A disk that is a tar archive: the scripts, their settings, the packages."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for source in (*sorted(SCRIPTS.iterdir()), *packages):
            archive.add(source, source.name)
        archive.add(CLONE / "tests" / "guest" / "lib.sh", "guest.sh")
        config = f"BOOTS='{' '.join(machine.boots)}'\nKEY={int(machine.key)}\nSLOWNESS=1\n".encode()
        entry = tarfile.TarInfo("config")
        entry.size = len(config)
        archive.addfile(entry, io.BytesIO(config))
    # A disk has whole sectors.
    data = file.getvalue()
    return data + bytes(-len(data) % 4096)


def command_line(machine: Installed, folder: Path, console: Path) -> list[str]:
    """QEMU's command line: firmware, GRUB, and whatever they start."""
    words = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    # One CPU: with several, TCG now and then does not bring them up, and there are many boots.
    words += ["-machine", "q35", "-cpu", "max", "-accel", "tcg", "-m", "1G", "-smp", "1"]
    words += ["-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"]
    words += ["-chardev", "stdio,id=results,signal=off", "-serial", "chardev:results"]
    words += ["-device", "intel-iommu,intremap=off"]
    for index, disk in enumerate((*machine.disks, "payload")):
        words += ["-drive", f"if=none,id={disk},format=raw,file={folder / disk}.img,cache=unsafe"]
        words += ["-device", f"nvme,drive={disk},serial={disk},bootindex={index}"]
    return words


def judge(machine: Installed, ended: qemu.Exit, console: list[str], log: Path) -> Outcome:
    """All verdicts on a run, the guest's own first."""
    results = ktap.parse(ended.console)
    cases = list(results.cases)
    for case in cases:
        case.name = f"{machine.name}/{case.name}"
        # Its line is in the results, and the console is what is shown.
        case.line = -1

    def verdict(name: str, passed: bool, note: str) -> None:
        status = Status.PASS if passed else Status.FAIL
        cases.append(Result(f"{machine.name}/host/{name}", status, [note]))

    if ended.timed_out:
        verdict("time limit", False, f"still running after {ended.seconds:.0f} s: killed")
    if not any(END_MARK in line for line in ended.console):
        verdict("end", False, f"QEMU ended (status {ended.status}) before the tests did")
    for error in results.errors:
        verdict("results", False, error)
    splats = find_splats(console)
    verdict("kernel log", not splats, splats[0].text if splats else "no complaint")
    if any("refused" in boot for boot in machine.boots):
        said = [line for line in console if REFUSED in line]
        verdict("the console says that loading failed", bool(said), f"expected '{REFUSED}'")
    shown = Machine(machine.name, machine.summary, tests=())
    return Outcome(shown, ended.seconds, cases, console, log, splats)


def run_or_fail(
    machine: Installed, paths: Paths, layer: Path, packages: list[Path]
) -> Outcome:
    """As `run`, but a machine that cannot be started is a failed one."""
    try:
        return run(machine, paths, layer, packages)
    except (UsageError, OSError, subprocess.SubprocessError) as error:
        failed = Result(f"{machine.name}/host/start", Status.FAIL, [str(error)])
        shown = Machine(machine.name, machine.summary, tests=())
        return Outcome(shown, 0.0, [failed], [], paths.logs / f"{machine.name}.log")
