# SPDX-License-Identifier: GPL-2.0
"""The benchmark says what moved, and only that; machines take turns."""

import copy
import threading
import unittest
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from guest.bench import chart, rows, table
from guest.bench.run import Turns
from guest.evidence import Evidence
from guest.ktap import Results
from guest.machine import Machine
from guest.qemu import Host
from guest.trace import Trace


def results() -> dict[str, Any]:
    """Results of two rows."""
    return {
        "kernel": "7.2",
        "instructions": {
            "detached: map 4 KiB": {"ours": 400.0, "builtin": 900.0, "floor": 240.0},
            "attach and detach": {"ours": 5000.0, "builtin": 9000.0, "floor": 430.0},
        },
        "invalidations": {
            "attach and detach": {"ours": {"wait": 2.0}, "builtin": {"wait": 4.0}},
        },
        "table_pages": {"ours": 516, "builtin": 516},
        "throughput": {"attached: 1 CPU": {"ratio": 1.5, "low": 1.4, "high": 1.6}},
    }


class MovedTest(unittest.TestCase):
    """What differs from the committed results."""

    def moved(self, change: Any) -> tuple[list[str], bool]:
        """What is said after `change` was made to the results."""
        new = copy.deepcopy(results())
        change(new)
        return table.moved(results(), new)

    def ours(self, number: float) -> tuple[list[str], bool]:
        """The same, with another number of ours in the first row."""
        return self.moved(lambda new: self.first(new).update(ours=number))

    @staticmethod
    def first(new: dict[str, Any]) -> dict[str, float]:
        """The first row of the instructions."""
        return cast(dict[str, float], new["instructions"]["detached: map 4 KiB"])

    def test_nothing(self) -> None:
        self.assertEqual(self.ours(411.0), ([], False))
        self.assertEqual(self.ours(389.0), ([], False))

    def test_instructions(self) -> None:
        (line,), worse = self.ours(413.0)
        self.assertIn("detached: map 4 KiB: ours: 400 -> 413 instructions (+3.2%", line)
        self.assertTrue(worse)
        (_,), worse = self.ours(380.0)
        self.assertFalse(worse)

    def test_by_the_row_s_own_spread(self) -> None:
        row = "detached: map 4 KiB"
        old = {**results(), "spread": {row: {"ours": [390.0, 430.0], "builtin": [900.0, 900.0]}}}

        def to(**change: float) -> tuple[list[str], bool]:
            new = copy.deepcopy(results())
            self.first(new).update(change)
            return table.moved(old, new)

        # 40 to either side.
        self.assertEqual(to(ours=470.0), ([], False))
        self.assertEqual(to(ours=350.0), ([], False))
        (line,), worse = to(ours=471.0)
        self.assertIn("unchanged is 350.0 to 470.0", line)
        self.assertTrue(worse)
        (_,), worse = to(ours=349.0)
        self.assertFalse(worse)
        # A row that never moves may do so by 3 %; so may one whose spread is not known.
        self.assertEqual(to(builtin=926.0), ([], False))
        self.assertEqual(len(to(builtin=928.0)[0]), 1)
        self.assertEqual(len(to(floor=248.0)[0]), 1)

    def test_theirs_is_not_ours(self) -> None:
        (_,), worse = self.moved(lambda new: self.first(new).update(builtin=2000.0))
        self.assertFalse(worse)

    def test_one_more_descriptor(self) -> None:
        (line,), worse = self.moved(
            lambda new: new["invalidations"]["attach and detach"]["ours"].update(IOTLB=1.0)
        )
        self.assertIn("2 wait -> 2 wait, 1 IOTLB", line)
        self.assertTrue(worse)

    def test_throughput_with_its_spread(self) -> None:
        def to(low: float, high: float) -> tuple[list[str], bool]:
            row = {"ratio": (low + high) / 2, "low": low, "high": high}
            return self.moved(lambda new: new["throughput"].update({"attached: 1 CPU": row}))

        self.assertEqual(to(1.1, 1.45), ([], False))
        self.assertTrue(to(1.1, 1.3)[1])
        self.assertEqual(len(to(1.7, 1.9)[0]), 1)


class OutputTest(unittest.TestCase):
    """Rows, table and chart."""

    def test_verdicts(self) -> None:
        self.assertEqual(table.verdict("a", 0.6, {"a"}), "above half")
        self.assertEqual(table.verdict("b", 0.6, {"a"}), "")
        self.assertEqual(table.verdict("b", 1.1, {"a"}), "MORE THAN C")

    def test_table_and_chart(self) -> None:
        text = "\n".join(table.lines(results()))
        self.assertIn("2 wait", text)
        picture = ElementTree.fromstring(chart.svg(results()))
        self.assertGreater(len(picture), 10)

    def test_runs_together(self) -> None:
        runs = [{"a": {"ours": number, "floor": 1.0}} for number in (10.0, 14.0, 11.0)]
        middle, spread = rows.together(runs)
        self.assertEqual(middle, {"a": {"ours": 11.0, "floor": 1.0}})
        self.assertEqual(spread, {"a": {"ours": [10.0, 14.0], "floor": [1.0, 1.0]}})

    def test_rows(self) -> None:
        stats = {f"{row.key}.{row.call}": "640/64" for row in rows.subjects() if row.key != "fresh"}
        stats |= {f"fresh.map.{number}": f"{number}/1" for number in range(1, 6)}
        evidence = Evidence(Machine("m", "", ()), Results(stats=stats), [], Trace())
        found = rows.instructions(evidence)
        self.assertEqual(found["attach and detach"], 10.0)
        self.assertEqual(found["detached: map 4 KiB, with tables"], 3.0)


class TurnsTest(unittest.TestCase):
    """Two machines in turns."""

    def test_order(self) -> None:
        turns, seen = Turns(("a", "b")), list[str]()
        host = Host(Machine("m", "", ()), Path("x"), Path("x"))

        def run(name: str) -> None:
            turn = turns.action(name)
            for _ in range(20):
                turn(host, ["take"])
                seen.append(name)
                turn(host, ["give"])

        threads = [threading.Thread(target=run, args=(name,)) for name in ("b", "a")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(seen, ["a", "b"] * 20)


if __name__ == "__main__":
    unittest.main()
