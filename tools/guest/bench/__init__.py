# SPDX-License-Identifier: GPL-2.0
"""`make bench`: measures, compares with the committed results, writes table and chart."""
