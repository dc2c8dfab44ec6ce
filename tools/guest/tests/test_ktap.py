# SPDX-License-Identifier: GPL-2.0
"""The KTAP parser, on streams as a console carries them."""

import unittest

from guest import ktap
from guest.console import find_splats
from guest.ktap import Status

GOOD = """\
[    2.900000] Run /init as init process\r
[    2.996559] KTAP version 1\r
[    2.998885] 1..2\r
[    3.002880]   KTAP version 1
[    3.003585]   1..1
[    3.220633] nvme nvme0: pci function 0000:00:04.0
[    3.319053]   ok 1 nvme loads
[    3.321751] ok 1 load
[    3.343826][    T1]   KTAP version 1
[    3.350046][    T1]   # kernel 7.2.12
[    3.350897]   ok 1 - it boots
[    3.400000]   # STAT unmaps 12
[    3.407633]   ok 2 no lazy mode # SKIP caching mode is on
[    3.424225]   1..2
[    3.424300] ok 2 smoke
""".splitlines()


class KtapTest(unittest.TestCase):
    """Names, verdicts and what is wrong with a stream."""

    def test_nested(self) -> None:
        results = ktap.parse(GOOD)
        self.assertEqual(results.errors, [])
        self.assertEqual(
            [(case.name, case.status) for case in results.cases],
            [
                ("load/nvme loads", Status.PASS),
                ("smoke/it boots", Status.PASS),
                ("smoke/no lazy mode", Status.SKIP),
            ],
        )
        self.assertEqual(results.cases[1].notes, ["kernel 7.2.12"])
        self.assertEqual(results.cases[2].notes, ["caching mode is on"])
        self.assertEqual(results.stat("unmaps"), 12)

    def test_unknown_stat_names_the_known(self) -> None:
        with self.assertRaisesRegex(KeyError, "it printed: unmaps"):
            ktap.parse(GOOD).stat("maps")

    def test_failure_keeps_its_notes(self) -> None:
        results = ktap.parse(["KTAP version 1", "1..1", "# expected 1", "not ok 1 sum"])
        self.assertEqual(results.cases[0].status, Status.FAIL)
        self.assertEqual(results.cases[0].notes, ["expected 1"])
        self.assertEqual(results.cases[0].line, 3)

    def test_script_that_died_is_a_failure(self) -> None:
        lines = ["KTAP version 1", "1..1", "  KTAP version 1", "  ok 1 first", "  1..1"]
        results = ktap.parse([*lines, "not ok 1 script"])
        self.assertEqual(
            [(case.name, case.status) for case in results.cases],
            [("script/first", Status.PASS), ("script", Status.FAIL)],
        )

    def test_failed_parent_of_a_failed_case_counts_once(self) -> None:
        lines = ["KTAP version 1", "1..1", "  KTAP version 1", "  not ok 1 first", "  1..1"]
        self.assertEqual(ktap.parse([*lines, "not ok 1 script"]).count(Status.FAIL), 1)

    def test_empty_subtest_counts_as_its_parent(self) -> None:
        results = ktap.parse(["KTAP version 1", "1..1", "  KTAP version 1", "  1..0", "ok 1 none"])
        self.assertEqual([case.name for case in results.cases], ["none"])

    def test_early_end(self) -> None:
        results = ktap.parse(GOOD[:11])
        self.assertTrue(any("ended early" in error for error in results.errors), results.errors)
        self.assertTrue(any("inside a subtest" in error for error in results.errors))
        self.assertTrue(any("2 tests were planned, 1 ran" in error for error in results.errors))

    def test_no_header(self) -> None:
        self.assertIn("no KTAP header", ktap.parse(["ok 1 stray", "[ 1.0] Linux"]).errors[0])

    def test_wrong_number(self) -> None:
        results = ktap.parse(["KTAP version 1", "1..1", "ok 2 second"])
        self.assertIn("'second' is number 2; expected 1", results.errors)

    def test_hash_in_a_name(self) -> None:
        results = ktap.parse(["KTAP version 1", "1..1", "not ok 1 later # TODO not yet"])
        self.assertEqual(results.cases[0].status, Status.SKIP)


class SplatTest(unittest.TestCase):
    """The kernel's complaints, and what only looks like one."""

    def test_found(self) -> None:
        lines = ["[ 1.0] fine", "[    2.5] WARNING: drivers/iommu/iommu.c:12 at x+0x1/0x2"]
        self.assertEqual([splat.line for splat in find_splats(lines)], [1])

    def test_expected(self) -> None:
        self.assertEqual(find_splats(["[ 1.0] BUG: test"], (r"BUG: test",)), [])

    def test_results_and_harmless_lines_do_not_count(self) -> None:
        lines = [
            "[ 1.0]   ok 3 no WARNING: in the log",
            "[ 1.0] # grep BUG: dmesg",
            "[ 1.0] Speculative Return Stack Overflow: WARNING: See the documentation",
        ]
        self.assertEqual(find_splats(lines), [])


if __name__ == "__main__":
    unittest.main()
