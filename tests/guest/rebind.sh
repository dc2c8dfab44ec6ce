#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The driver of a disk is taken off under I/O, and put back: the I/O ends with an
# error, nothing is refused by the IOMMU, and the disk works again.

. /lib.sh
. /devices.sh
. /data.sh
begin

ROUNDS=${REBINDS:-5}
driver=$(basename "$(driver_of "$DISK")")

# take_off: while the disk is written and read. A reader sees the disk end.
take_off() {
	disk=$(disk_of "$DISK")
	dd if=/dev/zero of="$disk" bs=64k oflag=direct >/tmp/written 2>&1 &
	writer=$!
	dd if="$disk" of=/dev/null bs=4k iflag=direct >/tmp/read 2>&1 &
	reader=$!
	sleep 0.3
	unbind "$DISK" || return
	wait "$reader"
	if wait "$writer"; then
		echo "the I/O did not end with an error:"
		cat /tmp/written
		return 1
	fi
}

for round in $(seq "$ROUNDS"); do
	check "there is a disk behind $DISK (round $round)" wait_for 20 has_disk "$DISK"
	check "$DISK_MIB MiB come back (round $round)" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"
	check "its driver is taken off under I/O (round $round)" take_off
	check "and put back (round $round)" bind "$DISK" "$driver"
done
check "there is a disk again" wait_for 20 has_disk "$DISK"
check "$DISK_MIB MiB come back at last" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"
