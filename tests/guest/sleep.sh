#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Suspend to RAM under a mounted disk that is being written: what was written
# before, meanwhile and after is all there, DMA is translated as before, and
# faults are reported as before.

. /lib.sh
. /devices.sh
. /data.sh
. /dmatest.sh
begin

mounted=/tmp/mounted
# In milliseconds; what the kernel allows if told nothing.
echo $((20000 * SLOWNESS)) >/sys/power/pm_freeze_timeout

# sleep_and_wake: returns when the machine is awake again. The host wakes it up
# when it sleeps.
sleep_and_wake() {
	dmesg -c >/dev/null
	host wake_when_asleep </dev/console || return
	echo mem >/sys/power/state || return
	dmesg | grep "PM: suspend exit"
}

check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
disk=$(disk_of "$DISK")
check "a file system is made" mke2fs -q "$disk"
load ext4
mkdir "$mounted"
check "and mounted" mount -t ext4 "$disk" "$mounted"
file=$(data "$DISK_MIB")
check "a file is written" cp "$file" "$mounted/before"
load rust_iommu_dmatest
iova=$(tell dma-map read-write)
check "a write to mapped memory arrives" arrives "$iova"

# Writes until it is told not to, across the sleep.
while [ ! -e /tmp/enough ]; do
	cp "$file" "$mounted/meanwhile" && sync && echo . >>/tmp/copies
done &
wait_for 20 test -s /tmp/copies
mark asleep
check "the machine sleeps, and wakes" sleep_and_wake
mark awake
rm /tmp/copies
check "what was being written goes on" wait_for 30 test -s /tmp/copies
touch /tmp/enough
wait

check "a file is written after" cp "$file" "$mounted/after"
sync
echo 3 >/proc/sys/vm/drop_caches
for name in before meanwhile after; do
	check "the file written $name is as it was" cmp "$file" "$mounted/$name"
done
check "a write to memory mapped before arrives" arrives "$iova"
never=$(printf '0x%x' $((iova - 0x10000)))
check "a write to an address that was never mapped faults" refused "$never"
tell dma-unmap >/dev/null
check "the file system is unmounted" umount "$mounted"
check "there was no complaint about the unit" sh -c "! dmesg | grep -E 'dmar0: does not|unit at 0x'"
