# SPDX-License-Identifier: GPL-2.0
#
# For scripts that read what counting.sh has the kernel count.

# total EVENT FIELD: over all CPUs; EVENT is map or unmap, FIELD hitcount or size.
total() {
	sed -n "s/^{ common_cpu:.*$2: *\([0-9]*\).*/\1/p" "/sys/kernel/tracing/events/iommu/$1/hist" |
		awk '{ total += $1 } END { printf "%.0f\n", total }'
}

# mapped: bytes that were mapped and not unmapped, since counting began.
mapped() { echo $(($(total map size) - $(total unmap size))); }
