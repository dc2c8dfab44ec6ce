#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel before ours has left the unit translating, with a fault that nobody has
# read, and its queue $QUEUE (on, stopped at an error, or turned off after one, which is
# still told). Our driver takes over.

. /lib.sh
. /devices.sh
. /data.sh
. /registers.sh
begin

# fsts BIT: the unit's fault status register has it.
fsts() { [ $(($(devmem $((UNIT + 0x34)) 32) & $1)) -ne 0 ]; }

# queue_off: what the unit refuses is taken from the queue, and the queue turned off.
queue_off() {
	devmem $((UNIT + 0x88)) 64 "$(devmem $((UNIT + 0x80)) 64)"
	devmem $((UNIT + 0x18)) 32 0x80000000
	[ "$(devmem $((UNIT + 0x1c)) 32)" = 0xC0000000 ]
}

STOP=0
[ "$QUEUE" = on ] || STOP=1
check "a unit is left translating, its queue $QUEUE" \
	load vtd_left_running base=$UNIT stop=$STOP
check "nothing of that stays loaded" rmmod vtd_left_running
[ "$QUEUE" != off ] || check "the queue is turned off" queue_off
[ "$STOP" = 0 ] || check "it has stopped at an error" fsts 0x10
check "the test device decodes its registers" testdev_open
testdev_aim 0x1000 0x1000
equal "its DMA is refused" 0xDEAD0002 "$(testdev_write)"
diag "FAULT ${TESTDEV#*:} 0x1000 write 0x01"
check "and the fault is pending" fsts 0x2

check "rust_iommu loads" load rust_iommu
check "rust_vtd loads" load rust_vtd
check "it says what it has found" sh -c "dmesg | grep 'dmar0: was left translating'"
[ "$QUEUE" = off ] ||
	check "and of the queue" sh -c "dmesg | grep 'dmar0: was left with its invalidation queue on'"
load nvme
check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
check "1 MiB comes back" write_and_read "$(disk_of "$DISK")" 1
