# SPDX-License-Identifier: GPL-2.0
"""Tests of what is counted in sources."""

import unittest
from pathlib import Path

from stats import sources

SOURCE = """\
// SPDX-License-Identifier: GPL-2.0

//! unsafe { in a comment }
/* unsafe { /* nested */ unsafe { */ fn f<'a>(x: &'a str) {
    let text = "unsafe { // not a comment";
    let raw = r#"unsafe { " "#;
    let quote = '"';
    // SAFETY: None.
    unsafe { g() }

    let many = "a

b";
}
unsafe impl Send for T {}

#[cfg(test)]
mod tests {
    fn h() {
        unsafe { g() } // }
        let brace = '}';
    }
}

#[kunit_tests(suite)]
mod more { fn h() { unsafe { g() } } }
#[kernel::macros::kunit_tests(suite)]
mod even_more { fn h() { unsafe { g() } } }
#[cfg(CONFIG_KUNIT = "y")]
impl X { fn h() { unsafe { g() } } }
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod helpers;
#[cfg(test)]
use x::{y, z};
fn last() {}
"""


class Sources(unittest.TestCase):
    """Lines and blocks."""

    def test_code_lines(self) -> None:
        # The first function has 8: empty lines do not count, not even inside a text.
        self.assertEqual(sources.code_lines(SOURCE), 8 + 1 + 1)
        self.assertEqual(sources.code_lines("// nothing\n\n/* at\nall */\n"), 0)
        self.assertEqual(sources.code_lines("/* before */ int x; // after\n"), 1)

    def test_unsafe_blocks(self) -> None:
        self.assertEqual(sources.unsafe_blocks(SOURCE), 2)
        self.assertEqual(sources.unsafe_blocks("unsafe fn f() {} unsafe extern \"C\" fn g() {}"), 0)
        self.assertEqual(sources.unsafe_blocks("let x = unsafe\n{ y };"), 1)
        without = '#[cfg(not(CONFIG_KUNIT = "y"))]\nmod m { fn f() { unsafe { g() } } }'
        self.assertEqual(sources.unsafe_blocks(without), 1)

    def test_an_unfinished_comment_ends_with_the_file(self) -> None:
        self.assertEqual(sources.code_lines("x\n/* y\nz"), 1)

    def test_places(self) -> None:
        clone = Path("/clone")
        for name, expected in [
            ("rust/sync/ida.rs", True),
            ("drivers/iommu/bridge/unit.rs", True),
            ("drivers/iommu/pgtable/entry.rs", True),
            ("drivers/iommu/pgtable/map.rs", False),
            ("drivers/iommu/vtd/unit.rs", False),
            ("samples/dmatest/dmatest.rs", False),
        ]:
            with self.subTest(name):
                self.assertEqual(sources.has_place(clone / name, clone), expected)


if __name__ == "__main__":
    unittest.main()
