# SPDX-License-Identifier: GPL-2.0
"""Tests of what counts as a call site of a panic."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from stats import elf, panics, symbols

CLONE = Path(__file__).resolve().parents[3]
PROBE = Path(__file__).with_name("probe.rs")


def compile_probe(folder: Path) -> Path:
    """An object of the probe, over the kernel's `core`, with what the stock kernel checks."""
    answer = subprocess.run(
        [CLONE / "tools/env", "path", "kbuild"], capture_output=True, text=True, check=True
    )
    kbuild = Path(answer.stdout.strip())
    probe = folder / "probe.o"
    subprocess.run(
        ["rustc", "--edition=2021", "--crate-type=rlib", f"--emit=obj={probe}"]
        + ["-Cpanic=abort", "-Copt-level=2", "-Cdebuginfo=2", "-Ccodegen-units=1"]
        + ["-Csymbol-mangling-version=v0", "-Crelocation-model=static", "-Ccode-model=kernel"]
        + ["-Coverflow-checks=y", "-Cdebug-assertions=n", "--sysroot=/dev/null"]
        + [f"--target={kbuild}/scripts/target.json", f"-L{kbuild}/rust", str(PROBE)],
        env={**os.environ, "RUSTC_BOOTSTRAP": "1"},
        check=True,
    )
    return probe


class Probe(unittest.TestCase):
    """Code of every kind, compiled and counted."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.sites = panics.sites(compile_probe(Path(folder.name)), CLONE)
        cls.found = {site.function.removeprefix("probe::") for site in cls.sites}
        cls.functions = set(re.findall(r"^pub fn (\w+)", PROBE.read_text(), re.MULTILINE))

    def test_every_way_to_panic_is_counted(self) -> None:
        expected = {name for name in self.functions if name.startswith("panics_")}
        self.assertGreater(len(expected), 25)
        self.assertEqual(expected - self.found, set())

    def test_what_cannot_panic_is_not_counted(self) -> None:
        harmless = {name for name in self.functions if not name.startswith("panics_")}
        self.assertGreater(len(harmless), 5)
        self.assertEqual(harmless & self.found, set())

    def test_a_site_names_its_line(self) -> None:
        (site,) = [site for site in self.sites if site.function == "probe::panics_add"]
        lines = PROBE.read_text().splitlines()
        path, _, line = site.source.rpartition(":")
        self.assertEqual(path, "tools/stats/tests/probe.rs")
        self.assertEqual(lines[int(line) - 1].strip(), "x + y")
        self.assertIn("panic_const_add_overflow", site.what)


class Symbols(unittest.TestCase):
    """Names of entry points."""

    def panics(self, symbol: str) -> bool:
        return symbols.panics(symbol, symbols.demangle([symbol])[symbol])

    def test_crate_of_a_function(self) -> None:
        bounds = "_RNvNtCs2lKf6AS60Zg_4core9panicking18panic_bounds_check"
        self.assertEqual(symbols.crate_of(bounds), "core")
        self.assertTrue(self.panics(bounds))

    def test_crate_of_an_impl_is_where_the_impl_stands(self) -> None:
        display = "_RNvXsi_NtCsb5MLIFMWygY_6kernel3fmteNtB5_7Display3fmt"
        self.assertEqual(symbols.crate_of(display), "kernel")
        self.assertFalse(self.panics(display))
        own = (
            "_RNvXs_NtCsdwWfO04aC4n_10iommu_core8registryNtB4_12Registration"
            "NtNtNtCs2lKf6AS60Zg_4core3ops4drop4Drop4drop"
        )
        self.assertEqual(symbols.crate_of(own), "iommu_core")
        self.assertFalse(self.panics(own))

    def test_formatting_is_harmless(self) -> None:
        self.assertFalse(self.panics("_RNvNtCs2lKf6AS60Zg_4core3fmt5write"))
        self.assertFalse(
            self.panics("_RNvXsW_NtNtCs2lKf6AS60Zg_4core3fmt3nummNtB7_8LowerHex3fmt")
        )

    def test_a_function_of_core_that_nobody_knows_counts(self) -> None:
        self.assertTrue(self.panics("_RNvNtCs2lKf6AS60Zg_4core6future13not_known_yet"))

    def test_legacy_names(self) -> None:
        legacy = "_ZN4core9panicking18panic_bounds_check17h0123456789abcdefE"
        self.assertEqual(symbols.crate_of(legacy), "core")
        self.assertTrue(self.panics(legacy))

    def test_what_c_panics_with(self) -> None:
        self.assertTrue(self.panics("panic"))
        self.assertFalse(self.panics("kfree"))
        self.assertFalse(self.panics("panic_on_oops"))


class Listings(unittest.TestCase):
    """What binutils print."""

    def test_relocations_of_debug_information_are_left_out(self) -> None:
        listing = """
Relocation section '.rela.text' at offset 0x348e98 contains 2 entries:
    Offset             Info             Type               Symbol's Value  Symbol's Name + Addend
0000000000000011  0000003f00000004 R_X86_64_PLT32         0000000000000000 kfree - 4
0000000000000020  000000400000000b R_X86_64_32S           0000000000000000 .rodata + 1c

Relocation section '.rela.debug_info' at offset 0x348e98 contains 1 entry:
0000000000000011  0000003f00000001 R_X86_64_64            0000000000000000 .debug_str + 4
"""
        self.assertEqual(
            elf.relocations(listing),
            [
                elf.Relocation(".text", 0x11, "kfree", -4),
                elf.Relocation(".text", 0x20, ".rodata", 0x1C),
            ],
        )

    def test_traps(self) -> None:
        listing = """
Disassembly of section .text:

0000000000000010 <f>:
      10:\tud2
      12:\tret
      13:\tint3

Disassembly of section .exit.text:
       4:\tbrk\t#0x1
"""
        self.assertEqual(elf.traps(listing), [(".text", 0x10), (".exit.text", 4)])


if __name__ == "__main__":
    unittest.main()
