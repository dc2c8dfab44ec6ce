#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel before ours has left the unit translating, with a fault that nobody has
# read, and its queue $QUEUE (on, or stopped at an error). Our driver takes over.

. /lib.sh
. /devices.sh
. /data.sh
. /registers.sh
. /unit.sh
begin

check "the unit is left translating" unit_translates
check "its queue is on" unit_queue_on
check "and has executed something" unit_wait 0
[ "$QUEUE" = on ] || check "it has stopped at an error" unit_refuses 1
check "the test device decodes its registers" testdev_open
testdev_aim 0x1000 0x1000
equal "its DMA is refused" 0xDEAD0002 "$(testdev_write)"
diag "FAULT ${TESTDEV#*:} 0x1000 write 0x01"
check "and the fault is pending" has $FSTS 0x2

check "rust_iommu loads" load rust_iommu
check "rust_vtd loads" load rust_vtd
check "it says what it has found" sh -c "dmesg | grep 'dmar0: was left translating'"
check "and of the queue" sh -c "dmesg | grep 'dmar0: was left with its invalidation queue on'"
load nvme
check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
check "1 MiB comes back" write_and_read "$(disk_of "$DISK")" 1
