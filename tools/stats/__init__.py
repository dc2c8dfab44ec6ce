# SPDX-License-Identifier: GPL-2.0
"""Counts about the modules, and the ceilings that some of them have."""
