#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is written to each disk with direct I/O comes back, $DISK_MIB MiB each.

. /lib.sh
. /devices.sh
. /data.sh

# shellcheck disable=SC2086 # addresses, one word each
set -- $DISKS
begin $((4 * $#))

for function; do
	check "there is a disk behind $function" wait_for 20 has_disk "$function"
	disk=$(disk_of "$function")
	check "requests to it are small enough for QEMU" few_pages "$function" "$disk"
	equal "its group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$function")"
	check "$DISK_MIB MiB on ${disk#/dev/} ($function) come back" \
		write_and_read "$disk" "$DISK_MIB"
done
