#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What was mapped, unmapped and invalidated, by the kernel's count and our
# driver's. The last script of a machine: the host compares the driver's count
# with the descriptors that QEMU saw up to the mark "counted".

. /lib.sh
. /events.sh
begin

for event in map unmap; do
	[ -d /sys/kernel/tracing/events ] || break
	count=$(total "$event" hitcount)
	diag "$count ${event}s, $(($(total "$event" size) >> 20)) MiB"
	record "${event}s" "$count"
	check "there were ${event}s" [ "$count" -gt 0 ]
done

statistics() { cat /sys/kernel/debug/rust_vtd/dmar0; }

# A mark while nothing is invalidated: the numbers are the same on both sides.
still() {
	for attempt in $(seq 50); do
		statistics >/tmp/before || return
		mark counted
		statistics >/tmp/after
		cmp -s /tmp/before /tmp/after && return
	done
	echo "invalidations go on and on"
	diff /tmp/before /tmp/after
	return 1
}
check "the driver says what it has sent" still
while read -r name value; do
	diag "$name $value"
	record "$name" "$value"
done </tmp/before
