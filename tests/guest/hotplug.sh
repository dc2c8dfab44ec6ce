#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# $CYCLES times a disk is plugged in, moves data, and is unplugged while it does
# I/O. Then as many domains, mappings and table pages are in use as at the start.
# $PLUGS: "PORT FUNCTION" each, QEMU's name and where the disk appears, in turn.

. /lib.sh
. /devices.sh
. /data.sh
. /events.sh
begin

# in_use: what plugging and unplugging must leave as it was.
in_use() {
	# Counters of each CPU are added up now.
	cat /proc/sys/vm/stat_refresh
	sed -n '/^\(endpoints\|domains\) /p' /sys/kernel/debug/rust_vtd/dmar0
	sed -n '/^nr_iommu_pages /p' /proc/vmstat
	echo "mapped $(mapped)"
}

# at_rest: nothing that is freed with delay is left.
at_rest() { in_use >/tmp/start && sleep 1 && as_at_start; }

as_at_start() { in_use >/tmp/now && cmp -s /tmp/start /tmp/now; }

is_gone() { [ ! -e "/sys/bus/pci/devices/$1" ]; }

# switch_off FUNCTION: what a slot with a button does five seconds after it is
# pressed. Slots of acpiphp have none; there the firmware's request is enough.
switch_off() {
	[ "$HOTPLUG" = pciehp ] || return 0
	for slot in /sys/bus/pci/slots/*; do
		[ "$(cat "$slot/address")" = "${1%.*}" ] && echo 0 >"$slot/power" && return
	done
	echo "no slot for $1"
	return 1
}

# write_on DISK: until the disk is gone.
write_on() { dd if=/dev/zero of="$1" bs=64k oflag=direct; }

# plugged PORT FUNCTION
plugged() {
	host plug "$1" </dev/console || return
	wait_for 20 has_disk "$2" || return
	[ "$(group_type "$2")" = "$GROUP_TYPE" ] || return
	write_and_read "$(disk_of "$2")" 1
}

# unplugged FUNCTION: under I/O, which must end with an error.
unplugged() {
	write_on "$(disk_of "$1")" >/tmp/written 2>&1 &
	writer=$!
	sleep 0.2
	host device_del plugged </dev/console || return
	switch_off "$1" || return
	wait_for 20 is_gone "$1" || return
	if wait "$writer"; then
		echo "the I/O did not end with an error:"
		cat /tmp/written
		return 1
	fi
	host unplugged </dev/console
}

# cycle PORT FUNCTION
cycle() { plugged "$1" "$2" && unplugged "$2"; }

# shellcheck disable=SC2086 # two words for each port
set -- $PLUGS

# The context table of a bus is made for the first device on it, and stays.
first=$*
while [ $# -gt 0 ]; do
	check "a disk comes and goes at $1 ($HOTPLUG)" cycle "$1" "$2"
	shift 2
done
check "nothing changes any more" wait_for 10 at_rest
while read -r line; do diag "at the start: $line"; done </tmp/start

done=0
# shellcheck disable=SC2086
while set -- $first; [ "$done" -lt "$CYCLES" ]; do
	while [ $# -gt 0 ] && [ "$done" -lt "$CYCLES" ]; do
		cycle "$1" "$2" >/tmp/cycle 2>&1 || break 2
		done=$((done + 1))
		shift 2
	done
done
equal "$CYCLES disks come and go" "$CYCLES" "$done" || cat /tmp/cycle
check "as much is in use as at the start" wait_for 10 as_at_start ||
	diff /tmp/start /tmp/now
