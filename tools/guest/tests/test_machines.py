# SPDX-License-Identifier: GPL-2.0
"""The declared machines are sound, and wrong names are answered with right ones."""

import re
import subprocess
import unittest
from pathlib import Path

from guest import checks, initramfs, kernels, machines, pins, qemu, variants
from guest.errors import UsageError
from guest.evidence import Evidence
from guest.ktap import Results
from guest.machine import Machine
from guest.paths import Paths
from guest.runner import before_init, judge
from guest.trace import Inv, Trace


class BeforeInitTest(unittest.TestCase):
    """Which machines are started once more."""

    def test_kernel_ends(self) -> None:
        begun = ["[    0.000000] Linux version 7.2.12", "[    5.05] Oops: int3: 0000 [#1] SMP"]
        inited = [*begun, "[    6.0] Run /init as init process"]
        for console, timed_out, again in (
            (begun, False, True),
            (begun, True, True),
            ([], True, True),
            (["qemu: no such device"], False, False),
            (inited, False, False),
            (inited, True, False),
        ):
            with self.subTest(console=console, timed_out=timed_out):
                self.assertEqual(before_init(qemu.Exit(1.0, 0, timed_out, console)), again)


class DeclarationTest(unittest.TestCase):
    """Every declared machine."""

    def test_names(self) -> None:
        names = [machine.name for machine in machines.MACHINES]
        self.assertEqual(len(names), len(set(names)), "two machines of one name")
        for name in names:
            self.assertRegex(name, r"^[a-z0-9][a-z0-9-]*$")

    def test_references(self) -> None:
        for machine in machines.MACHINES:
            with self.subTest(machine.name):
                variants.find(machine.iommu, machine.arch)
                for test in machine.tests:
                    initramfs.script(test)
                loaded = {line.split()[0] for line in machine.load}
                self.assertLessEqual(set(machine.refuses), loaded, "refuses what is not loaded")
                for setting in machine.settings:
                    self.assertRegex(setting, r"^[A-Z][A-Z0-9_]*$")

    def test_drives_have_their_own_ids(self) -> None:
        for machine in machines.MACHINES:
            drives = [drive for device in machine.devices for drive in device.disks]
            self.assertEqual(len(drives), len(set(drives)), machine.name)

    def test_command_lines(self) -> None:
        for machine in machines.MACHINES:
            words = qemu.command_line(
                machine, Path("/stock"), Path("/tmp/x"), Path("/tmp/t"), "tcg", interactive=False
            )
            self.assertIn(qemu.SYSTEMS[machine.arch], words[0])
            self.assertTrue(all(words), f"{machine.name}: an empty argument")


class SelectionTest(unittest.TestCase):
    """TEST= and IOMMU=."""

    def test_unknown_names_list_the_known(self) -> None:
        for wrong in (
            lambda: machines.find("smokr"),
            lambda: machines.select("x86_64", pattern="smokr"),
            lambda: initramfs.script("smokr"),
        ):
            with self.assertRaisesRegex(UsageError, "unknown .*'smokr'; known: .*smoke"):
                wrong()
        with self.assertRaisesRegex(UsageError, "unknown IOMMU variant .*known: .*legacy"):
            machines.select("x86_64", iommu="legcy")
        with self.assertRaisesRegex(UsageError, "known: kvm, tcg"):
            qemu.accelerator("hvf")

    def test_pattern(self) -> None:
        self.assertIn("smoke", [machine.name for machine in machines.select("x86_64", None, "smo")])
        machine = Machine("m", "", tests=("load-unload", "groups"))
        self.assertEqual(machines.matching(machine, "groups"), ["groups"])
        self.assertEqual(machines.matching(machine, "m"), ["load-unload", "groups"])


class KernelTest(unittest.TestCase):
    """KERNEL=."""

    def test_unknown(self) -> None:
        known = ", ".join(sorted(pins.ALL))
        for wrong in (
            lambda: machines.find("smoke", "debgu"),
            lambda: machines.select("x86_64", kernel="debgu"),
        ):
            with self.assertRaisesRegex(UsageError, f"unknown KERNEL 'debgu'; known: {known}"):
                wrong()

    def test_names_are_those_of_the_environment(self) -> None:
        answer = subprocess.run(
            [pins.CLONE / "tools" / "env", "kernels"], capture_output=True, text=True, check=True
        )
        self.assertEqual(tuple(answer.stdout.split()), pins.ALL)
        self.assertEqual(tuple(kernels.KERNELS), pins.ALL)

    def test_each_kernel_has_folders_of_its_own(self) -> None:
        builds = {name: Paths("x86_64", name).build for name in pins.ALL}
        self.assertEqual(len(set(builds.values())), len(pins.ALL))
        self.assertEqual(builds[pins.DEFAULT].name, "x86_64")

    def test_machines_of_one_kernel_only(self) -> None:
        self.assertNotIn("kunit", [machine.name for machine in machines.select("x86_64")])
        with self.assertRaisesRegex(UsageError, f"kunit needs KERNEL=debug, not {pins.DEFAULT}"):
            machines.find("kunit")
        self.assertEqual(machines.find("kunit", "debug").kernel, "debug")

    def test_every_kernel_has_the_machines_of_the_default(self) -> None:
        default = {machine.name for machine in machines.select("x86_64")}
        for name in pins.ALL:
            there = {machine.name for machine in machines.select("x86_64", kernel=name)}
            self.assertLessEqual(default, there)

    def test_debug_closes_with_the_search_for_leaks(self) -> None:
        machine = kernels.booting(Machine("m", "", tests=("a", "b")), "debug")
        self.assertEqual(machines.matching(machine, "b"), ["b", "leaks"])
        self.assertEqual(machines.matching(machine, "m"), ["a", "b", "leaks"])
        self.assertEqual(machines.matching(machine, "x"), [])
        self.assertIn("panic_on_warn=1", machine.cmdline)
        stock = kernels.booting(Machine("m", "", tests=("a", "b")), pins.DEFAULT)
        self.assertEqual(machines.matching(stock, "m"), ["a", "b"])


class JudgeTest(unittest.TestCase):
    """What turns a run red besides a failed test."""

    GOOD = ["KTAP version 1", "1..1", "ok 1 a", "# guest: done"]

    def failures(self, console: list[str], **fields: object) -> list[str]:
        """Names of the failed cases of a run with that console."""
        machine = Machine("m", "", tests=("a",), **fields)  # type: ignore[arg-type]
        ended = qemu.Exit(1.0, 0, False, console)
        return [case.name for case in judge(machine, ended, Trace(), Path("x")).failures]

    def test_good(self) -> None:
        self.assertEqual(self.failures(self.GOOD), [])

    def test_early_end(self) -> None:
        self.assertEqual(self.failures(self.GOOD[:3]), ["m/host/end"])

    def test_splat(self) -> None:
        self.assertEqual(self.failures(["[ 1.0] WARNING: x", *self.GOOD]), ["m/host/kernel log"])

    def test_refusal_must_be_explained(self) -> None:
        refuses = {"rust_vtd": "boot with intel_iommu=off"}
        self.assertEqual(self.failures(self.GOOD, refuses=refuses), ["m/host/rust_vtd says why"])
        said = ["[ 1.0] rust_vtd: busy: boot with intel_iommu=off", *self.GOOD]
        self.assertEqual(self.failures(said, refuses=refuses), [])

    def test_check_that_stumbles_is_a_failure(self) -> None:
        broken = checks.counted("unmaps", Inv.IOTLB_PAGES)
        (name,) = self.failures(self.GOOD, checks=(broken,))
        self.assertTrue(re.search("descriptors_equal_statistics", name))

    def test_check_counts(self) -> None:
        evidence = Evidence(Machine("m", "", ()), Results(stats={"n": "0"}), [], Trace())
        (verdict,) = checks.counted("n", Inv.IOTLB_PAGES)(evidence)
        self.assertTrue(verdict[1], verdict)


if __name__ == "__main__":
    unittest.main()
