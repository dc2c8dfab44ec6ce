# SPDX-License-Identifier: GPL-2.0
"""A machine's limits end what hangs, and nothing else. A shell stands in for QEMU."""

import tempfile
import unittest
from pathlib import Path

from guest.qemu import Exit, Limits, run


def run_shell(script: str, limits: Limits) -> Exit:
    """A machine whose console is what the script prints."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        return run(["sh", "-c", script], limits, log, lambda line: None, lambda request: "")


class LimitsTest(unittest.TestCase):
    """Who is ended, and who is not."""

    def test_exceeded(self) -> None:
        limits = Limits(whole=300, silence=40, begun="init")
        for ran, quiet, begun, exceeded in (
            (50, 41, False, True),
            (50, 41, True, False),
            (200, 3, False, False),
            (301, 3, False, True),
            (301, 3, True, True),
        ):
            with self.subTest(ran=ran, quiet=quiet, begun=begun):
                self.assertEqual(limits.exceeded(ran, quiet, begun), exceeded)

    def test_run(self) -> None:
        # (Only as short as does not matter on a host that is slow.)
        for script, limits, timed_out in (
            ("echo kernel; exec sleep 60", Limits(60, 0.5, "init"), True),
            ("echo init; exec sleep 60", Limits(1, 60, "init"), True),
            ("echo init; exec sleep 2.5", Limits(60, 1.5, "init"), False),
            ("echo kernel", Limits(60, 60, "init"), False),
        ):
            with self.subTest(script=script, limits=limits):
                ended = run_shell(script, limits)
                self.assertEqual(ended.timed_out, timed_out)
                self.assertLess(ended.seconds, 30)


if __name__ == "__main__":
    unittest.main()
