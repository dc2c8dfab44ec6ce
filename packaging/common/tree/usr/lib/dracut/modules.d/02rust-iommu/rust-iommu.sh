#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dracut sources its hooks: whatever happens is in a process of its own.

/usr/lib/rust-iommu/load
