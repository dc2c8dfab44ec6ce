# SPDX-License-Identifier: GPL-2.0
"""Tests of the guest runner; they need neither QEMU nor the environment."""
