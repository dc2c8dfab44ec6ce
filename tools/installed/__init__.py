# SPDX-License-Identifier: GPL-2.0
"""Installs our packages on a Debian with systemd, in QEMU, and boots that."""
