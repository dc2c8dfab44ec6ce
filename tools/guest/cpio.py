# SPDX-License-Identifier: GPL-2.0
"""Writes cpio archives in the `newc` format, the one the kernel unpacks.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
Archives are reproducible: entries come in the order they were added, and carry
no time, owner or inode of the machine they were made on.
"""

import stat

ALIGN = 4
TRAILER = "TRAILER!!!"


class Archive:
    """An archive under construction; parent folders are added by themselves."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._names: set[str] = set()

    def directory(self, name: str) -> None:
        """Adds a folder, unless it is there."""
        if name and name not in self._names:
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Adds a regular file."""
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name: str, target: str) -> None:
        """Adds a symbolic link."""
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        """Adds a character device: init needs /dev/console before any mount."""
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def finish(self) -> bytes:
        """The whole archive, with its trailer."""
        return bytes(self._data + _entry(TRAILER, 0, 0, b"", (0, 0)))

    def _entry(self, name: str, mode: int, data: bytes, rdev: tuple[int, int] = (0, 0)) -> None:
        name = name.strip("/")
        if name in self._names:
            raise ValueError(f"cpio: '{name}' was added twice")
        self.directory(name.rpartition("/")[0])
        self._names.add(name)
        self._data += _entry(name, len(self._names), mode, data, rdev)


def _entry(name: str, inode: int, mode: int, data: bytes, rdev: tuple[int, int]) -> bytes:
    raw_name = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    #         ino    mode  uid gid nlink  mtime filesize   devs  rdevs  namesize      check
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *rdev, len(raw_name), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + raw_name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGN)
