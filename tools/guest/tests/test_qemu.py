# SPDX-License-Identifier: GPL-2.0
"""A machine's limits end what hangs, and nothing else. A shell stands in for QEMU."""

import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from guest import qemu
from guest.qemu import Exit, Limits, run


def run_shell(script: str, limits: Limits) -> Exit:
    """A machine whose console is what the script prints."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        return run(["sh", "-c", script], limits, log, lambda line: None, lambda request: "")


class LimitsTest(unittest.TestCase):
    """Who is ended, and who is not."""

    def test_exceeded(self) -> None:
        limits = Limits(whole=300, beginning=150, silence=40, begun="init")
        for ran, quiet, begun, exceeded in (
            (50, 41, False, True),
            (50, 41, True, False),
            (140, 3, False, False),
            (151, 3, False, True),
            (290, 3, True, False),
            (301, 3, True, True),
        ):
            with self.subTest(ran=ran, quiet=quiet, begun=begun):
                self.assertEqual(limits.exceeded(ran, quiet, begun), exceeded)

    def test_ended(self) -> None:
        for script, limits in (
            ("echo kernel; exec sleep 60", Limits(60, 60, 0.5, "init")),
            ("while echo kernel; do sleep 0.1; done", Limits(60, 1, 60, "init")),
            ("echo init; exec sleep 60", Limits(1, 60, 60, "init")),
        ):
            with self.subTest(script=script):
                ended = run_shell(script, limits)
                self.assertTrue(ended.timed_out)
                self.assertLess(ended.seconds, 30)

    def test_left_alone(self) -> None:
        # All have seconds more than they need: the host may be busy.
        scripts = (
            "for i in 1 2 3 4 5 6 7; do echo kernel; sleep 1; done",
            "echo init; echo more; exec sleep 6",
            "echo kernel",
        )
        with ThreadPoolExecutor() as pool:
            runs = pool.map(lambda script: run_shell(script, Limits(60, 60, 5, "init")), scripts)
            for script, ended in zip(scripts, runs, strict=True):
                with self.subTest(script=script):
                    self.assertFalse(ended.timed_out)
                    self.assertEqual(ended.status, 0)

    def test_stopped(self) -> None:
        self.addCleanup(qemu._stopping.clear)
        qemu.stop_all()
        ended = run_shell("exec sleep 60", Limits(60, 60, 60, "init"))
        self.assertFalse(ended.timed_out)
        self.assertLess(ended.seconds, 30)


if __name__ == "__main__":
    unittest.main()
