# SPDX-License-Identifier: GPL-2.0
"""The scripts of the package, with files and programs of our own around them."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from guest.paths import CLONE

TREE = CLONE / "packaging" / "common" / "tree"
INIT_TOP = TREE / "usr/share/initramfs-tools/scripts/init-top"
LOAD = TREE / "usr/lib/rust-iommu/load"
COMMAND = TREE / "usr/sbin/rust-iommu"
# What Debian 13 has beside ours.
NEIGHBOURS = ("00_mount_efivarfs", "all_generic_ide", "blacklist", "keymap", "udev")


def executable(path: Path, text: str) -> None:
    """A script of that text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


class ScriptTest(unittest.TestCase):
    """A folder for each test."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def execute(self, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a script; its environment is ours and what is given."""
        words = [str(word) for word in command]
        return subprocess.run(
            words, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )


class OrderTest(ScriptTest):
    """The order of init-top, as mkinitramfs makes it: tsort of (prerequisite, script)."""

    def order(self) -> list[str]:
        """All scripts in the folder, in the order that they would run in."""
        for name in NEIGHBOURS:
            executable(self.folder / name, "echo")
        pairs = []
        for script in sorted(self.folder.iterdir()):
            pairs.append(f"{script.name} {script.name}")
            said = self.execute(script, "prereqs")
            self.assertEqual(said.returncode, 0)
            pairs += [f"{needed} {script.name}" for needed in said.stdout.split()]
        sort = subprocess.run(
            ["tsort"], input="\n".join(pairs), capture_output=True, text=True, check=True
        )
        return sort.stdout.split()

    def test_ours_is_the_first(self) -> None:
        for script in INIT_TOP.iterdir():
            (self.folder / script.name).symlink_to(script)
        self.assertEqual(self.order()[0], "00-rust-iommu")

    def test_what_waits_for_udev_is_not(self) -> None:
        executable(self.folder / "00-rust-iommu", "echo udev")
        order = self.order()
        self.assertGreater(order.index("00-rust-iommu"), order.index("udev"))


class LoadTest(ScriptTest):
    """What the initramfs runs."""

    def load(self, cmdline: str, modprobe: str = "exit 0") -> str:
        """Runs it with that command line; returns what the kernel's log got."""
        executable(self.folder / "bin/modprobe", f'echo "$*$MODPROBE_OPTIONS" >{self.folder}/ran\n{modprobe}')
        (self.folder / "cmdline").write_text(f"{cmdline}\n", encoding="utf-8")
        done = self.execute(
            LOAD,
            PATH=f"{self.folder}/bin:{os.environ['PATH']}",
            MODPROBE_OPTIONS="-qb",
            RUST_IOMMU_CMDLINE=f"{self.folder}/cmdline",
            RUST_IOMMU_STATE=f"{self.folder}/state",
            RUST_IOMMU_KMSG=f"{self.folder}/kmsg",
            RUST_IOMMU_UDEV=f"{self.folder}/udev",
            RUST_IOMMU_CLASS=f"{self.folder}/class",
        )
        # The boot goes on, whatever happens.
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        kmsg = self.folder / "kmsg"
        return kmsg.read_text(encoding="utf-8") if kmsg.exists() else ""

    def failed(self) -> str:
        """What the service will report."""
        file = self.folder / "state/failed"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def test_nothing_without_the_word(self) -> None:
        for cmdline in ("quiet", "rust_iommu=off", "rust_iommu=on rust_iommu=off", "xrust_iommu=on *"):
            self.assertEqual(self.load(cmdline), "")
            self.assertFalse((self.folder / "ran").exists(), cmdline)

    def test_on(self) -> None:
        self.assertEqual(self.load("a rust_iommu=off rust_iommu=on b"), "")
        # By name, blacklists or not, and not in silence.
        self.assertEqual((self.folder / "ran").read_text(encoding="utf-8"), "rust_vtd\n")
        self.assertEqual(self.failed(), "")

    def test_unknown_word(self) -> None:
        said = self.load("rust_iommu=yes")
        self.assertIn("<3>rust-iommu: rust_iommu=yes on the kernel command line is unknown", said)
        self.assertFalse((self.folder / "ran").exists())
        self.assertIn("known are on and off", self.failed())

    def test_refused(self) -> None:
        said = self.load("rust_iommu=on", "echo 'modprobe: ERROR: no such device' >&2; exit 1")
        self.assertIn("<3>rust-iommu: rust_vtd: modprobe: ERROR: no such device\n", said)
        self.assertIn("<3>rust-iommu: NOT LOADED: NO IOMMU", said)
        self.assertIn("no such device", self.failed())

    def test_kernel_has_the_iommu(self) -> None:
        (self.folder / "class").mkdir()
        (self.folder / "class/dmar0").touch()
        said = self.load("rust_iommu=on", "exit 1")
        self.assertIn("rust_vtd: cannot be loaded", said)
        self.assertIn("NOT LOADED: the kernel's own driver has the IOMMU", said)

    def test_signature_refused(self) -> None:
        said = self.load("rust_iommu=on", "echo 'Key was rejected by service' >&2; exit 1")
        self.assertIn("Secure Boot asks for modules signed", said)

    def test_too_late(self) -> None:
        (self.folder / "udev").touch()
        self.assertIn("<3>rust-iommu: udev runs already", self.load("rust_iommu=on"))
        self.assertTrue((self.folder / "ran").exists())
        self.assertIn("after udev", self.failed())


class CommandTest(ScriptTest):
    """The command rust-iommu, on a root folder of its own."""

    RELEASE = "9.9.9+deb99-amd64"

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs it."""
        return self.execute(COMMAND, *words, RUST_IOMMU_ROOT=str(self.folder))

    def test_enable_and_disable(self) -> None:
        file = self.folder / "etc/default/grub.d/rust-iommu.cfg"
        self.assertEqual(self.command("enable").returncode, 0)
        line = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX rust_iommu=on intel_iommu=off intremap=off"'
        self.assertIn(line, file.read_text(encoding="utf-8").splitlines())
        self.assertEqual(self.command("disable").returncode, 0)
        self.assertFalse(file.exists())
        self.assertEqual(self.command("disable").returncode, 0)

    def test_wrong_words(self) -> None:
        unknown = self.command("enabel")
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("known: enable, disable, status, check, sign", unknown.stderr)
        self.assertEqual(self.command("enable", "now").returncode, 1)

    def test_check(self) -> None:
        missing = self.command("check")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("there is no package rust-iommu-modules-", missing.stderr)
        self.assertIn("NO IOMMU", missing.stderr)
        (self.folder / "sys/module/rust_vtd").mkdir(parents=True)
        (self.folder / "sys/class/iommu/dmar0").mkdir(parents=True)
        self.assertEqual(self.command("check").returncode, 0)
        (self.folder / "run/rust-iommu").mkdir(parents=True)
        (self.folder / "run/rust-iommu/failed").write_text("why\n", encoding="utf-8")
        self.assertEqual((self.command("check").returncode, self.command("check").stderr), (1, "why\n"))

    def modules(self) -> Path:
        """Two modules, and where they are."""
        folder = self.folder / f"usr/lib/modules/{self.RELEASE}/updates/rust-iommu"
        folder.mkdir(parents=True)
        for name in ("rust_iommu", "rust_vtd"):
            (folder / f"{name}.ko").write_bytes(b"\x7fELF")
        return folder

    def test_sign(self) -> None:
        folder = self.modules()
        said = self.command("sign", self.RELEASE)
        self.assertEqual(said.returncode, 0)
        self.assertIn("not signed: this machine has no key of its own (/var/lib/dkms/mok.key)", said.stdout)

        for name in ("mok.key", "mok.pub"):
            executable(self.folder / "var/lib/dkms" / name, "")
        said = self.command("sign", self.RELEASE)
        self.assertIn("apt install linux-kbuild-9.9.9+deb99 && rust-iommu sign", said.stdout)

        signer = self.folder / "usr/lib/linux-kbuild-9.9.9+deb99/scripts/sign-file"
        executable(signer, 'echo "$1 ${2##*/} ${3##*/}" >>"$0.ran"; echo "~Module signature appended~" >>"$4"')
        # Twice: what is signed stays as it is.
        for _ in range(2):
            self.assertIn("are signed with", self.command("sign", self.RELEASE).stdout)
        ran = (signer.parent / "sign-file.ran").read_text(encoding="utf-8")
        self.assertEqual(ran, "sha256 mok.key mok.pub\n" * 2)
        self.assertIn(b"signature", (folder / "rust_vtd.ko").read_bytes())

        executable(signer, "exit 0")
        (folder / "rust_vtd.ko").write_bytes(b"\x7fELF")
        said = self.command("sign", self.RELEASE)
        self.assertEqual(said.returncode, 1)
        self.assertIn("has not signed it", said.stderr)


class SyntaxTest(unittest.TestCase):
    """Scripts that no test runs are at least well-formed."""

    def test_every_script(self) -> None:
        """Each file that begins as a shell script, and those that others read."""
        shells = {"sh": "sh", "bash": "bash"}
        seen = 0
        for path in sorted(CLONE.rglob("*")):
            inside = path.relative_to(CLONE).parts
            if inside[0] in (".git", "build") or "target" in inside or not path.is_file():
                continue
            with path.open("rb") as file:
                first = file.readline(80)
            words = first.decode(errors="replace").removeprefix("#!").replace("/", " ").split()
            is_script = first.startswith(b"#!") and bool(words) and words[-1] in shells
            if not is_script and path.suffix != ".sh":
                continue
            shell = shells[words[-1]] if is_script else "bash"
            with self.subTest(path.relative_to(CLONE)):
                said = subprocess.run(
                    [shell, "-n", str(path)], capture_output=True, text=True, check=False
                )
                self.assertEqual((said.returncode, said.stderr), (0, ""))
            seen += 1
        self.assertGreater(seen, 50)


if __name__ == "__main__":
    unittest.main()
