# SPDX-License-Identifier: GPL-2.0
"""What is installed on a machine: the package, and tests of it."""
