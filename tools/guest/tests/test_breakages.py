# SPDX-License-Identifier: GPL-2.0
"""The breakages fit the tree, and what is not a red test does not count as one."""

import os
import subprocess
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from unittest import mock

from guest import machines, pins

CLONE = Path(__file__).resolve().parents[3]
FOLDER = CLONE / "tools" / "breakages"
PATCHES = sorted(FOLDER.glob("*.patch"))


def load_runner() -> ModuleType:
    """tools/breakages/run, which has no suffix."""
    loader = SourceFileLoader("breakages_run", str(FOLDER / "run"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


RUNNER = load_runner()


class PatchesTest(unittest.TestCase):
    """Every patch."""

    def test_applies(self) -> None:
        for patch in PATCHES:
            with self.subTest(patch.name):
                command = ("patch", "--batch", "--dry-run", "--forward", "--strip=1", "--fuzz=0")
                done = subprocess.run(
                    (*command, "--reject-file=-", f"--input={patch}"),
                    cwd=CLONE,
                    check=False,
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_catchers_exist(self) -> None:
        for patch in PATCHES:
            with self.subTest(patch.name):
                catchers = RUNNER.catchers(patch)
                self.assertTrue(catchers, "no Caught-by line")
                for lane, what in catchers:
                    if lane in ("guest", "debug"):
                        name, *tests = what.split()
                        machine = machines.find(name, pins.DEBUG if lane == "debug" else pins.DEFAULT)
                        for test in tests:
                            self.assertIn(test, machine.tests)
                    else:
                        self.assertEqual(lane, "host")
                        self.assertRegex(what, r"^--package (vtd|tests|dmar|iommu_core|loom_tests) ")


class StubbedLane(RUNNER.Lane):  # type: ignore[misc, name-defined]
    """A lane whose commands have the results given, one after the other."""

    def __init__(self, name: str, *results: tuple[int, str]) -> None:
        self.name = name
        self.times = 1
        self.log = Path("log")
        self.results = list(results)
        self.environments: list[dict[str, str]] = []

    def run(self, *_command: str, **environment: str) -> tuple[int, str]:
        self.environments.append(environment)
        return self.results.pop(0)


class VerdictTest(unittest.TestCase):
    """What counts as caught: tests that were built, ran, and failed."""

    def must_fail(self, name: str, *results: tuple[int, str], times: int = 1) -> str:
        lane = StubbedLane(name, *results)
        lane.times = times
        try:
            lane.must_fail("something")
        except RUNNER.NotCaught as error:
            return str(error)
        finally:
            self.assertEqual(lane.results, [], "something was not run")
        return ""

    def test_host(self) -> None:
        self.assertEqual(self.must_fail("host", (0, ""), (101, "")), "")
        self.assertIn("green", self.must_fail("host", (0, ""), (0, "")))
        self.assertIn("does not build", self.must_fail("host", (101, "")))

    def test_guest(self) -> None:
        red, green = "3 passed, 1 failed, 0 skipped\n", "4 passed, 0 failed, 0 skipped\n"
        self.assertEqual(self.must_fail("guest", (0, ""), (1, red)), "")
        self.assertIn("green", self.must_fail("guest", (0, ""), (0, green)))
        self.assertIn("does not build", self.must_fail("guest", (1, "")))
        # An exception of Python's, and a machine that does not exist.
        self.assertIn("cannot be run", self.must_fail("guest", (0, ""), (1, "Traceback")))
        self.assertIn("cannot be run", self.must_fail("guest", (0, ""), (2, "")))

    def test_every_run_counts(self) -> None:
        built, red, green = (0, ""), (101, ""), (0, "")
        self.assertEqual(self.must_fail("host", built, red, red, red, times=3), "")
        found = self.must_fail("host", built, red, green, red, times=3)
        self.assertIn("but for 2 of 3 runs", found)
        self.assertNotIn("but for", self.must_fail("host", built, green, green, times=2))

    def test_each_run_draws_other_numbers(self) -> None:
        lane = StubbedLane("host", (0, ""), (101, ""), (101, ""))
        lane.times = 2
        lane.must_fail("something")
        firsts = [seen.get("RUST_IOMMU_MODEL_FIRST") for seen in lane.environments]
        self.assertEqual(firsts, [None, "0", "160"])


class TimesTest(unittest.TestCase):
    """TIMES and GUEST_TIMES."""

    def test_numbers(self) -> None:
        for text, expected in (("", 1), ("1", 1), ("10", 10)):
            with mock.patch.dict(os.environ, TIMES=text):
                self.assertEqual(RUNNER.times_of("TIMES"), expected)
        for text in ("0", "-1", "ten", "1.5", "1000", "\u0662"):
            with mock.patch.dict(os.environ, TIMES=text):
                with self.assertRaisesRegex(ValueError, "TIMES="):
                    RUNNER.times_of("TIMES")

    def test_make_says_so(self) -> None:
        for times in ("0", "x", "1 2", "10x"):
            with self.subTest(times):
                done = subprocess.run(
                    ("make", "--dry-run", "breakages", f"TIMES={times}"),
                    cwd=CLONE,
                    check=False,
                    capture_output=True,
                    text=True,
                )
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(f"TIMES='{times}' is no number of runs", done.stderr)


if __name__ == "__main__":
    unittest.main()
