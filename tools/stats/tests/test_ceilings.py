# SPDX-License-Identifier: GPL-2.0
"""Tests of the comparison with the ceilings."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from stats import ceilings, counts
from stats.panics import Site

CLONE = Path(__file__).resolve().parents[3]
FILE = "tools/ceilings.toml"
AT_CEILING = counts.Counts(
    name="rust_x.ko",
    loaded=1000,
    file=5000,
    code_lines=100,
    unsafe_blocks=7,
    unsafe_elsewhere=0,
    panic_sites=0,
    exported_symbols=20,
)
CEILINGS = {
    "rust_x": {
        "panic_call_sites": 0,
        "unsafe_blocks": 7,
        "unsafe_blocks_outside_their_places": 0,
        "exported_symbols": 20,
    }
}


class Compare(unittest.TestCase):
    """Counts and ceilings."""

    def compare(self, module: counts.Counts) -> ceilings.Verdict:
        return ceilings.compare([module], CEILINGS, FILE)

    def test_at_the_ceiling(self) -> None:
        verdict = self.compare(AT_CEILING)
        self.assertFalse(verdict.rose)
        self.assertEqual(verdict.lines, ["every count is at its ceiling"])

    def test_a_panic_call_site_is_named(self) -> None:
        site = Site("vtd::dmar::parse", "drivers/iommu/vtd/dmar.rs:254", "core::panicking::panic")
        verdict = self.compare(replace(AT_CEILING, panic_sites=1, sites=[site]))
        self.assertTrue(verdict.rose)
        self.assertEqual(
            verdict.lines,
            [
                "rust_x.ko: 1 panic call sites, above the ceiling of 0 "
                "(panic_call_sites in tools/ceilings.toml)",
                "    drivers/iommu/vtd/dmar.rs:254: vtd::dmar::parse: core::panicking::panic",
            ],
        )

    def test_each_count_can_rise(self) -> None:
        for count in ["panic_sites", "unsafe_blocks", "unsafe_elsewhere", "exported_symbols"]:
            with self.subTest(count):
                raised = replace(AT_CEILING, **{count: getattr(AT_CEILING, count) + 1})
                self.assertTrue(self.compare(raised).rose)

    def test_an_unsafe_block_elsewhere_is_named(self) -> None:
        verdict = self.compare(
            replace(AT_CEILING, unsafe_elsewhere=1, elsewhere={"drivers/iommu/vtd/unit.rs": 1})
        )
        self.assertTrue(verdict.rose)
        self.assertEqual(verdict.lines[1], "    drivers/iommu/vtd/unit.rs: 1")

    def test_below_the_ceiling_is_told_and_no_failure(self) -> None:
        verdict = self.compare(replace(AT_CEILING, exported_symbols=19))
        self.assertFalse(verdict.rose)
        self.assertEqual(
            verdict.lines,
            [
                "rust_x.ko: 19 exported symbols: "
                "lower exported_symbols in tools/ceilings.toml from 20"
            ],
        )

    def test_a_module_without_ceilings_fails(self) -> None:
        verdict = self.compare(replace(AT_CEILING, name="rust_y.ko"))
        self.assertTrue(verdict.rose)
        self.assertIn("rust_y.ko: has no ceilings in tools/ceilings.toml", verdict.lines)


class Read(unittest.TestCase):
    """The file."""

    def read(self, text: str) -> dict[str, dict[str, int]]:
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            return ceilings.read(Path(file.name))

    def test_the_committed_file(self) -> None:
        found = ceilings.read(CLONE / FILE)
        self.assertIn("rust_iommu", found)
        for limits in found.values():
            self.assertEqual(limits["unsafe_blocks_outside_their_places"], 0)

    def test_what_is_wrong_is_named(self) -> None:
        good = "".join(f"{key} = {value}\n" for key, value in CEILINGS["rust_x"].items())
        self.assertEqual(self.read("[rust_x]\n" + good), CEILINGS)
        for text, words in [
            ("[rust_x]\n", "missing"),
            ("[rust_x]\n" + good + "lines = 3\n", "unknown"),
            ("[rust_x]\n" + good.replace("= 7", "= -1"), "unsafe_blocks = -1"),
            ("[rust_x]\n" + good.replace("= 7", "= true"), "unsafe_blocks = True"),
            ("rust_x = 3\n", "not a table"),
            ("[rust_x", "toml"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(ceilings.Error, words):
                self.read(text)
        with self.assertRaises(ceilings.Error):
            ceilings.read(Path("/nonexistent"))


if __name__ == "__main__":
    unittest.main()
