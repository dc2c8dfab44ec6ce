#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Unmaps of known sizes between marks: the host counts the descriptors each has
# sent (tools/guest/vtd_checks.py). Only the test device does DMA meanwhile.

. /lib.sh
. /dmatest.sh
begin

# between NAME COMMAND...: what COMMAND sends is between marks of that name.
between() {
	name=$1
	shift
	mark "$name"
	check "$name: $*" tell "$@"
	mark "$name-done"
}

load rust_iommu_dmatest
iova=$(tell dma-map read-write)
record page "$iova"
check "the IOTLB holds the page" arrives "$iova"
between dma-api-page dma-unmap

tell attach >/dev/null
# unmap NAME PAGE COUNT: maps COUNT pages from number PAGE, and unmaps them.
unmap() {
	range="$(printf '0x%x 0x%x' $(($2 << 12)) $(($3 << 12)))"
	# shellcheck disable=SC2086 # address and length
	tell map $range read-write >/dev/null
	# shellcheck disable=SC2086
	between "$1" unmap $range
}
unmap page 0x1000 1
unmap large-page 0x400 512
unmap gigabyte 0x40000 0x40000
# From page 1 to a power of two: a descriptor for each power below it.
unmap sixteen 1 0xffff
unmap seventeen 1 0x1ffff
unmap two-gigabytes 0x100000 0x80000

between map map 0x1000 0x1000 read-write
tell detach >/dev/null
