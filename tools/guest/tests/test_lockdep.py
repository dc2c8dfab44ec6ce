# SPDX-License-Identifier: GPL-2.0
# pylint: disable=missing-function-docstring
"""What is made of a report of lockdep."""

import unittest

from guest.console import find_splats

KERNEL = frozenset({"&ctrl->a_lock", "b_lock"})
REPORT = """\
WARNING: possible circular locking dependency detected
irq/24-x/62 is trying to acquire lock:
ffff88800a3c62d8 (&ctrl->a_lock){.+.+}-{4:4}, at: take_a+0x18a/0x390
the existing dependency chain (in reverse order) is:
-> #1 (b_lock){+.+.}-{4:4}:
       take_b+0xf4/0x14d0
-> #0 (&ctrl->a_lock){.+.+}-{4:4}:
       take_a+0x47/0x320
 *** DEADLOCK ***
Call Trace:
 <TASK>
 ? lockdep_hardirqs_on_prepare+0x17e/0x260
 take_a+0x47/0x320
 </TASK>"""


def complaints(report: str) -> list[str]:
    lines = [f"[ 1.0] {line}" for line in report.splitlines()]
    return [splat.text for splat in find_splats(lines, lock_circles=(KERNEL,))]


class LockdepTest(unittest.TestCase):
    """A circle that is known to be the kernel's is no complaint; any other is."""

    def test_the_kernels(self) -> None:
        self.assertEqual(complaints(REPORT), [])

    def test_not_asked_for(self) -> None:
        self.assertEqual(len(find_splats(REPORT.splitlines())), 3)

    def test_another_lock(self) -> None:
        self.assertEqual(len(complaints(REPORT.replace("b_lock", "c_lock"))), 3)

    def test_one_lock_more(self) -> None:
        longer = REPORT.replace("-> #1", "-> #2 (c_lock){+.+.}-{4:4}:\n-> #1")
        self.assertEqual(len(complaints(longer)), 3)

    def test_a_function_of_ours(self) -> None:
        ours = REPORT.replace("0x14d0", "0x14d0 [rust_iommu]")
        self.assertEqual(len(complaints(ours)), 3)

    def test_a_complaint_in_between(self) -> None:
        between = REPORT.replace(" <TASK>", "BUG: KASAN: slab-use-after-free in x\n <TASK>")
        self.assertEqual(complaints(between), ["BUG: KASAN: slab-use-after-free in x"])

    def test_a_complaint_after_it(self) -> None:
        self.assertEqual(complaints(f"{REPORT}\nCall Trace:"), ["Call Trace:"])

    def test_cut_short(self) -> None:
        self.assertEqual(len(complaints(REPORT.replace("</TASK>", ""))), 3)


if __name__ == "__main__":
    unittest.main()
