# SPDX-License-Identifier: GPL-2.0
"""The checks of the VT-d machines: each must be able to fail."""

import unittest

from guest import checks, trace, twin, vtd_checks
from guest.evidence import Evidence
from guest.ktap import parse
from guest.machine import Check
from guest.vtd_machines import SHOWCASE

FAULT = "vtd_dmar_fault sid 0x50 fault 5 addr 0x4000 write 1"
TOLD = "[    1.0]   # FAULT 00:0a.0 0x4000 write 0x05"
WAIT = "vtd_inv_desc invalidate desc type wait high 0x0 low 0x25"


def iotlb(high: int, low: int) -> str:
    return f"vtd_inv_desc invalidate desc type iotlb high {high:#x} low {low:#x}"


def verdicts(check: Check, console: list[str], lines: list[str], **marks: int) -> list[bool]:
    seen = trace.parse(lines)
    seen._marks.update(marks)
    evidence = Evidence(SHOWCASE, parse(console), console, seen)
    return [passed for _name, passed, _note in check(evidence)]


class FaultsTest(unittest.TestCase):
    """Faults are those that the guest told of, neither more nor fewer."""

    def test_equal(self) -> None:
        self.assertEqual(verdicts(vtd_checks.faults_as_told, [TOLD], [FAULT]), [True])
        self.assertEqual(verdicts(vtd_checks.faults_as_told, [], []), [True])

    def test_different(self) -> None:
        check = vtd_checks.faults_as_told
        self.assertEqual(verdicts(check, [TOLD], []), [False])
        self.assertEqual(verdicts(check, [], [FAULT]), [False])
        self.assertEqual(verdicts(check, [TOLD], [FAULT, FAULT]), [False])
        for part, other in (("0x50", "0x51"), ("fault 5", "fault 6"), ("0x4000", "0x5000")):
            self.assertEqual(verdicts(check, [TOLD], [FAULT.replace(part, other)]), [False])


class ErrorLinesTest(unittest.TestCase):
    """No line of the kernel at the level of an error but those that a script provokes."""

    CHECK = staticmethod(checks.only_expected_errors({"forbidden": ("dmar0: fault: .* refused",)}))
    RAN = ["KTAP version 1", "1..1", "ok 1 m/forbidden/a"]
    FAULT = "[    1.0] # kernel error: dmar0: fault: 0000:00:0a.0 refused"

    def judged(self, *lines: str) -> list[bool]:
        return verdicts(self.CHECK, list(lines), [])

    def test_expected(self) -> None:
        self.assertEqual(self.judged("# kernel errors: 0"), [True, True])
        self.assertEqual(
            self.judged(*self.RAN, self.FAULT, "[ 1.1] # kernel errors: 1"), [True, True]
        )

    def test_not_expected(self) -> None:
        aborted = "[    1.0] # kernel error: ata1.00: failed command: READ DMA"
        self.assertEqual(self.judged(aborted, "# kernel errors: 1"), [True, False])
        # By another script.
        self.assertEqual(self.judged(self.FAULT, "# kernel errors: 1"), [True, False])
        # More than was expected.
        longer = f"{self.FAULT} and more"
        self.assertEqual(
            self.judged(*self.RAN, longer, "# kernel errors: 1"), [True, False]
        )

    def test_not_all_told(self) -> None:
        self.assertEqual(self.judged(), [False, True])
        self.assertEqual(self.judged(*self.RAN, self.FAULT, "# kernel errors: 2"), [False, True])


class UnmapTest(unittest.TestCase):
    """An unmap has sent its descriptors, a wait, and nothing else."""

    def judge(self, lines: list[str]) -> bool:
        def one_page(evidence: Evidence) -> object:
            return vtd_checks._sent(evidence, "page", [(0x1000, 0)])

        marks = {"page": 0, "page-done": len(lines)}
        return verdicts(one_page, [], lines, **marks)[0]  # type: ignore[arg-type]

    def test_exact(self) -> None:
        self.assertTrue(self.judge([iotlb(0x1000, 0x10032), WAIT]))

    def test_wrong(self) -> None:
        page = iotlb(0x1000, 0x10032)
        self.assertFalse(self.judge([]))
        self.assertFalse(self.judge([WAIT]))
        self.assertFalse(self.judge([page]))
        self.assertFalse(self.judge([page, page, WAIT]))
        self.assertFalse(self.judge([page, WAIT, WAIT]))
        self.assertFalse(self.judge([iotlb(0x1001, 0x10032), WAIT]))  # two pages
        self.assertFalse(self.judge([iotlb(0x2000, 0x10032), WAIT]))
        self.assertFalse(self.judge([iotlb(0, 0x10022), WAIT]))  # the domain


class GlobalTest(unittest.TestCase):
    """Global invalidations are counted."""

    def test_once(self) -> None:
        both = ["vtd_inv_desc invalidate desc type context-cache high 0x0 low 0x11", iotlb(0, 0x12)]
        check = vtd_checks.global_once(1)
        self.assertEqual(verdicts(check, [], both), [True, True])
        self.assertEqual(verdicts(check, [], both + both[1:]), [True, False])
        self.assertEqual(verdicts(check, [], []), [False, False])


class TranslatedFromTest(unittest.TestCase):
    """DMA that passes through up to a mark, and is translated after it."""

    PASS = "vtd_pt_enable_fast_path sid 0x20 1"
    FILL = "vtd_iotlb_page_update IOTLB page update sid 0x20 iova 0x1000 slpte 0x3 domain 0x2"

    def judge(self, before: list[str], after: list[str]) -> list[bool]:
        check = vtd_checks.translated_from("00:04.0", "released")
        return verdicts(check, [], before + after, released=len(before))

    def test_switch(self) -> None:
        self.assertEqual(self.judge([self.PASS], [self.FILL]), [True, True])
        self.assertEqual(self.judge([self.PASS], [self.PASS]), [True, False])
        self.assertEqual(self.judge([self.FILL], [self.FILL]), [False, True])


class GroupsTest(unittest.TestCase):
    """Groups are compared by their members."""

    def test_members(self) -> None:
        console = ["# GROUP 0 DMA 0000:00:04.0", "# GROUP 7 DMA 0000:01:00.0 0000:01:00.1"]
        evidence = Evidence(SHOWCASE, parse(console), console, trace.Trace())
        expected = {frozenset({"0000:00:04.0"}), frozenset({"0000:01:00.0", "0000:01:00.1"})}
        self.assertEqual(vtd_checks.groups_of(evidence), expected)

    def test_reserved(self) -> None:
        console = [
            "# RESERVED 0000:00:04.0 = 0xfee00000 0xfeefffff msi",
            "# RESERVED 0000:01:00.0 0000:01:00.1 =",
        ]
        evidence = Evidence(SHOWCASE, parse(console), console, trace.Trace())
        alone = frozenset({"0000:00:04.0"})
        ours = vtd_checks.reserved_of(evidence)
        self.assertEqual(
            ours,
            {
                alone: "0xfee00000 0xfeefffff msi",
                frozenset({"0000:01:00.0", "0000:01:00.1"}): "",
            },
        )

        def judge(theirs: dict[frozenset[str], str]) -> list[bool]:
            return [passed for _name, passed, _note in twin.reserved_as(ours, theirs)]

        self.assertEqual(judge(dict(ours)), [True])
        self.assertEqual(judge({**ours, alone: "0xfee00000 0xfeefffff direct"}), [False])
        self.assertEqual(judge({}), [False])


if __name__ == "__main__":
    unittest.main()
