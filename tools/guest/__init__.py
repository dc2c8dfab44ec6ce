# SPDX-License-Identifier: GPL-2.0
"""Boots declared test machines in QEMU and judges what they say.

`machines.py` declares them, `initramfs.py` and `qemu.py` make and run one,
`ktap.py`, `console.py` and `trace.py` read the three streams that come back
(test results, kernel messages, what the emulated IOMMU was asked), `runner.py`
puts it together. `python3 -m guest --help` lists the commands.
"""
