# SPDX-License-Identifier: GPL-2.0
"""Composes a guest's initramfs: busybox, init, modules, test scripts.

It is not compressed: QEMU hands it over by DMA, while a guest under TCG would
take longer to unpack it than the host to make it.

In the guest:
    /init /lib.sh       from tests/guest/
    /tests/NAME.sh      the machine's scripts
    /bin                busybox, and the machine's programs (programs.py)
    /modules/NAME.ko    and NAME.deps, what to load before it
    /config             shell variables for the scripts: MODE TESTS ARCH MACHINE CPUS
                        RELEASE (of the kernel), and the machine's settings
    /load               what init loads: "required|refused NAME [PARAMETERS...]"
"""

import shlex
import subprocess
from pathlib import Path

from . import programs
from .cpio import Archive
from .errors import UsageError, unknown
from .kmodules import ModuleStore, canonical
from .machine import Machine
from .paths import CLONE, GUEST_SIDE, Paths

FOLDERS = ("dev", "proc", "sys", "run", "tmp", "etc", "root", "modules", "tests")


def compose(machine: Machine, paths: Paths, tests: list[str] | None) -> bytes:
    """The initrd for the machine; tests=None makes an interactive one."""
    archive = Archive()
    for folder in FOLDERS:
        archive.directory(folder)
    archive.device("dev/console", 5, 1)
    _add_busybox(archive, paths)
    _add_scripts(archive, tests if tests is not None else list(machine.tests))
    _add_modules(archive, machine, ModuleStore(paths))
    for target, source in machine.files.items():
        file = CLONE / source
        if not file.is_file():
            raise UsageError(f"machine {machine.name} wants {source}, which does not exist")
        archive.file(target, file.read_bytes(), 0o755)
    for name in machine.programs:
        archive.file(f"bin/{name}", programs.build(name, paths), 0o755)
    archive.file("config", _config(machine, paths, tests).encode())
    return _acpi_tables(machine) + archive.finish()


def _add_busybox(archive: Archive, paths: Paths) -> None:
    archive.file("bin/busybox", (paths.boot / "busybox").read_bytes(), 0o755)
    # The host's busybox is of the same package, whatever the guest's architecture.
    applets = subprocess.run(
        ["busybox", "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    for applet in applets:
        if applet != "busybox":
            archive.symlink(f"bin/{applet}", "busybox")
    for alias in ("sbin", "usr/bin", "usr/sbin"):
        archive.symlink(alias, "/bin")


def _add_scripts(archive: Archive, tests: list[str]) -> None:
    archive.file("init", (GUEST_SIDE / "init").read_bytes(), 0o755)
    archive.file("lib.sh", (GUEST_SIDE / "lib.sh").read_bytes())
    for test in tests:
        archive.file(f"tests/{test}.sh", script(test).read_bytes(), 0o755)


def script(test: str) -> Path:
    """The file of a test; an error lists the ones there are."""
    file = GUEST_SIDE / f"{test}.sh"
    if not file.is_file():
        known = [known.stem for known in GUEST_SIDE.glob("*.sh") if known.stem != "lib"]
        raise unknown("guest test", test, known)
    return file


def _add_modules(archive: Archive, machine: Machine, store: ModuleStore) -> None:
    added: set[str] = set()
    for name in machine.modules():
        for part in store.with_dependencies(name):
            if part in added:
                continue
            added.add(part)
            needs = store.with_dependencies(part)[:-1]
            archive.file(f"modules/{part}.ko", store.data(part))
            archive.file(f"modules/{part}.deps", "".join(f"{need}\n" for need in needs).encode())
    refused = {canonical(name) for name in machine.refuses}
    lines = []
    for line in machine.boot_load():
        name, *parameters = line.split()
        name = canonical(name)
        lines.append(" ".join(["refused" if name in refused else "required", name, *parameters]))
    archive.file("load", "".join(f"{line}\n" for line in lines).encode())


def _config(machine: Machine, paths: Paths, tests: list[str] | None) -> str:
    settings = {
        "MODE": "shell" if tests is None else "tests",
        "TESTS": " ".join(tests or []),
        "ARCH": machine.arch,
        "MACHINE": machine.name,
        "CPUS": str(machine.cpus),
        "RELEASE": (paths.boot / "modules").resolve().name.removeprefix("modules-"),
        **machine.settings,
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def _acpi_tables(machine: Machine) -> bytes:
    """Tables the kernel takes instead of the firmware's, from an archive of their
    own at the front (Documentation/admin-guide/acpi/initrd_table_override.rst)."""
    if not machine.acpi_tables:
        return b""
    archive = Archive()
    for signature, table in machine.acpi_tables.items():
        archive.file(f"kernel/firmware/acpi/{signature}.aml", table)
    return archive.finish()
