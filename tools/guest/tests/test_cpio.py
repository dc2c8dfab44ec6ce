# SPDX-License-Identifier: GPL-2.0
"""The cpio writer, against the format and against a small independent reader."""

import stat
import unittest

from guest.cpio import Archive


def read(data: bytes) -> dict[str, tuple[int, bytes]]:
    """Name -> (mode, content), by the format's own description."""
    entries: dict[str, tuple[int, bytes]] = {}
    position = 0
    while True:
        header = data[position : position + 110]
        assert header[:6] == b"070701", f"no entry at {position}"
        fields = [int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[position + 110 : position + 110 + name_size - 1].decode()
        position += (110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        entries[name] = (mode, data[position : position + size])
        position += (size + 3) & ~3


class CpioTest(unittest.TestCase):
    """What is put in comes out."""

    def test_round_trip(self) -> None:
        archive = Archive()
        archive.file("a/b/odd", b"12345", 0o755)
        archive.file("a/b/even", b"1234")
        archive.file("empty", b"")
        archive.symlink("bin/sh", "busybox")
        archive.device("dev/console", 5, 1)
        entries = read(archive.finish())
        self.assertEqual(entries["a/b/odd"], (stat.S_IFREG | 0o755, b"12345"))
        self.assertEqual(entries["a/b/even"][1], b"1234")
        self.assertEqual(entries["bin/sh"], (stat.S_IFLNK | 0o777, b"busybox"))
        self.assertTrue(stat.S_ISCHR(entries["dev/console"][0]))

    def test_parents_come_first_and_once(self) -> None:
        archive = Archive()
        archive.directory("a")
        archive.file("a/b/c", b"")
        archive.file("a/b/d", b"")
        names = list(read(archive.finish()))
        self.assertEqual(names, ["a", "a/b", "a/b/c", "a/b/d"])

    def test_twice_is_an_error(self) -> None:
        archive = Archive()
        archive.file("x", b"")
        with self.assertRaisesRegex(ValueError, "'x' was added twice"):
            archive.file("x", b"")

    def test_empty(self) -> None:
        self.assertEqual(read(Archive().finish()), {})


if __name__ == "__main__":
    unittest.main()
