# SPDX-License-Identifier: GPL-2.0
"""Builds QEMU's command line for a machine, and runs it under a time limit."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .console import clean, without_prefix
from .errors import UsageError, unknown
from .machine import Machine
from .qmp import Qmp
from .trace import EVENTS
from .variants import find

SYSTEMS = {"x86_64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}
BOARDS = {"x86_64": ("q35", "max", "ttyS0"), "arm64": ("virt,gic-version=3", "max", "ttyAMA0")}


# How long QEMU, or an event of the guest, is waited for.
QMP_SECONDS = 20.0
# How often a machine's limits are looked at.
WATCH_SECONDS = 0.5

_running: set[subprocess.Popen[bytes]] = set()
# Set: a machine that starts all the same is ended at once.
_stopping = threading.Event()


@dataclass
class Host:
    """The running machine, as the actions a guest asks for see it."""

    machine: Machine
    folder: Path
    trace_file: Path
    # Offsets in the trace file by name: see Trace.between.
    marks: dict[str, int] = field(default_factory=dict)
    # How many times longer its kernel may take than the stock one.
    slowness: int = 1
    _qmp: Qmp | None = None

    @property
    def qmp(self) -> Qmp:
        """QEMU's control connection, made when first asked for."""
        if self._qmp is None:
            self._qmp = Qmp(self.folder / "qmp", timeout=QMP_SECONDS * self.slowness)
        return self._qmp

    def close(self) -> None:
        """Ends the control connection, if there is one."""
        if self._qmp is not None:
            self._qmp.close()


@dataclass(frozen=True)
class Exit:
    """How a run ended."""

    seconds: float
    status: int
    timed_out: bool
    console: list[str]


def accelerator(accel: str) -> str:
    """The -accel argument. TCG is what results are compared on."""
    known = {"tcg": "tcg,thread=multi", "kvm": "kvm"}
    if accel not in known:
        raise unknown("ACCEL", accel, list(known))
    return known[accel]


def command_line(
    machine: Machine, boot: Path, folder: Path, trace_file: Path, accel: str, interactive: bool
) -> list[str]:
    """QEMU's command line; `folder` holds the initrd and takes disks and socket."""
    board, cpu, console = BOARDS[machine.arch]
    options = f",{machine.machine_options}" if machine.machine_options else ""
    words = [SYSTEMS[machine.arch], "-nodefaults", "-no-user-config", "-display", "none"]
    words += ["-no-reboot", "-machine", board + options, "-cpu", cpu]
    words += _clock(machine, accel)
    words += ["-m", machine.memory, "-smp", str(machine.cpus)]
    words += ["-kernel", str(boot / "vmlinuz"), "-initrd", str(folder / "initrd")]
    words += ["-append", kernel_command_line(machine, console)]
    words += ["-chardev", f"stdio,id=console,signal=off{',mux=on' if interactive else ''}"]
    words += ["-serial", "chardev:console"]
    if interactive:
        words += ["-mon", "chardev=console"]
    words += ["-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"]
    # The IOMMU first: devices made before it may bypass it.
    words += find(machine.iommu, machine.arch).qemu
    for device in machine.devices:
        for drive in device.disks:
            words += ["-drive", f"if=none,id={drive},format=raw,file={folder / drive}.img"]
            words[-1] += ",cache=unsafe,discard=unmap"
        words += device.qemu
    words += machine.qemu
    for event in EVENTS if machine.traced else ():
        words += ["-trace", event]
    return [*words, "-D", str(trace_file)]


def _clock(machine: Machine, accel: str) -> list[str]:
    """What runs guest code, and so makes its time go by."""
    if not machine.icount:
        return ["-accel", accelerator(accel)]
    if accel != "tcg":
        raise UsageError(f"ACCEL='{accel}': machine {machine.name} counts instructions, as tcg can")
    # Counted instructions come in one order: QEMU then has one thread for all CPUs.
    return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]


def kernel_command_line(machine: Machine, console: str) -> str:
    """What every guest is told, and what this machine adds."""
    words = [f"console={console}", "panic=-1", "printk.devkmsg=on", "loglevel=7"]
    return " ".join([*words, machine.builtin_driver, machine.cmdline]).strip()


def make_disks(machine: Machine, folder: Path) -> None:
    """Fresh disks, as files with nothing but a size."""
    for device in machine.devices:
        for drive, mib in device.disks.items():
            with open(folder / f"{drive}.img", "wb") as file:
                file.truncate(mib << 20)


def stop_all() -> None:
    """Ends every machine at once: somebody pressed Ctrl-C."""
    _stopping.set()
    for process in list(_running):
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    # (It may end by itself between the two.)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Limits:
    """How many seconds a machine has."""

    whole: float
    # Until it says `begun`: a kernel that hangs may repeat that it does.
    beginning: float
    # Without a word, until then: a kernel that starts has always something to say, on a slow
    # host more slowly. What it runs after that may be quiet.
    silence: float
    begun: str

    def exceeded(self, ran: float, quiet: float, begun: bool) -> bool:
        """Whether that is too much: all of its time so far, and that since its last line."""
        return ran > self.whole or (not begun and (ran > self.beginning or quiet > self.silence))


def run(
    command: list[str],
    limits: Limits,
    log: Path,
    on_line: Callable[[str], None],
    on_request: Callable[[str], str],
) -> Exit:
    """Runs QEMU until it ends or its time is up. Every console line goes to the
    log and to on_line; a request of the guest to on_request, and the answer back."""
    start = time.monotonic()
    lines: list[str] = []
    # A process group of its own: Ctrl-C is for us, and we end QEMU.
    with (
        open(log, "wb") as log_file,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        _running.add(process)
        # stop_all() may have looked before: at a machine that is started again, or a twin.
        if _stopping.is_set():
            _kill(process)
        heard, begun = start, False
        ended, timed_out = threading.Event(), threading.Event()

        def watch() -> None:
            while not ended.wait(WATCH_SECONDS):
                now = time.monotonic()
                if process.poll() is None and limits.exceeded(now - start, now - heard, begun):
                    timed_out.set()
                    _kill(process)
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            assert process.stdout and process.stdin
            for raw in process.stdout:
                log_file.write(raw)
                log_file.flush()
                line = clean(raw.decode(errors="replace"))
                lines.append(line)
                heard = time.monotonic()
                begun = begun or limits.begun in line
                on_line(line)
                request = without_prefix(line).strip()
                if request.startswith("@host "):
                    answer = on_request(request.removeprefix("@host "))
                    # Unbuffered: what stays in a buffer would be written again at the end.
                    # If QEMU has ended, what it has said is still to be read.
                    with contextlib.suppress(BrokenPipeError):
                        os.write(process.stdin.fileno(), answer.encode() + b"\n")
            process.wait()
        finally:
            ended.set()
            _running.discard(process)
            _kill(process)
            watcher.join()
    return Exit(time.monotonic() - start, process.returncode, timed_out.is_set(), lines)
