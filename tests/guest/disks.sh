#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is written to each disk with direct I/O comes back, $DISK_MIB MiB each.

. /lib.sh
. /devices.sh
. /data.sh

# shellcheck disable=SC2086 # addresses, one word each
set -- $DISKS
begin $((3 * $#))

# one_at_a_time DISK: QEMU's AHCI cannot read a command table that crosses into a
# page elsewhere; that of the first command never does. Others have no such knob.
one_at_a_time() {
	{ echo 1 >"/sys/block/${1#/dev/}/device/queue_depth"; } 2>/dev/null
}

for function; do
	check "there is a disk behind $function" wait_for 20 has_disk "$function"
	disk=$(disk_of "$function")
	one_at_a_time "$disk"
	equal "its group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$function")"
	check "$DISK_MIB MiB on ${disk#/dev/} ($function) come back" \
		write_and_read "$disk" "$DISK_MIB"
done
