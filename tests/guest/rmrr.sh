#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Firmware has the test device use memory at $RESERVED: what it writes there
# arrives at every moment, while our modules load, and while its driver goes and
# comes. The driver is pci_stub, which leaves the registers to us.

. /lib.sh
. /devices.sh
. /data.sh
. /registers.sh
begin

WRITER=/sys/module/testdev_writer/parameters

# writes: how many there were so far.
writes() { cat $WRITER/writes; }

# some_more NAME [COUNT]: there were COUNT writes since WRITES was set, or soon are.
some_more() {
	BEFORE=$WRITES
	check "$1" wait_for 20 sh -c "[ \$(cat $WRITER/writes) -ge $((WRITES + ${2:-100})) ]"
	WRITES=$(writes)
	diag "$((WRITES - BEFORE)) writes"
	equal "and every one has arrived" 0 "$(cat $WRITER/failures)"
}

check "the test device decodes its registers" testdev_open
check "it has a driver" load pci_stub ids=1b36:0005
equal "which is pci-stub" pci-stub "$(basename "$(driver_of "$TESTDEV")")"
check "it writes all the time from now on" load testdev_writer device="$TESTDEV" iova=$((RESERVED))
WRITES=$(writes)
some_more "DMA arrives without an IOMMU"

check "rust_iommu loads" load rust_iommu
WRITES=$(writes)
check "rust_vtd loads" load rust_vtd
# All of them while insmod ran.
some_more "DMA arrived while it loaded" 0
equal "of reserved memory, what is System RAM is named" \
	"$(printf 'rust_vtd: DMAR table: 0x%x to 0x%x, which devices may use' \
	"$IN_RAM" $((IN_RAM + 0xfff)))" \
	"$(dmesg | grep -o 'rust_vtd: DMAR table: .*, which devices may use')"
equal "the group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$TESTDEV")"
equal "the driver has come back" pci-stub "$(basename "$(driver_of "$TESTDEV")")"
check "the memory is one of the reserved regions" \
	grep "$(printf '0x%016x 0x%016x direct' "$RESERVED" $((RESERVED + 0xffff)))" \
	"$(group_of "$TESTDEV")/reserved_regions"

for round in 1 2 3 4 5; do
	check "the driver is taken off ($round)" unbind "$TESTDEV"
	some_more "DMA arrives without a driver"
	check "and bound again ($round)" bind "$TESTDEV" pci-stub
	some_more "DMA arrives with it"
done

# The disk shows that the unit translates by now.
load nvme
check "a disk works beside it" wait_for 20 has_disk "$DISK"
check "1 MiB comes back" write_and_read "$(disk_of "$DISK")" 1
some_more "DMA arrived meanwhile"
check "all drivers are taken off" let_all_go
check "the unit is detached" sh -c "echo 1 >/sys/class/iommu/dmar0/detach"
check "rust_vtd is unloaded" rmmod rust_vtd
some_more "DMA arrived until then, and does without it"
check "the writer ends" rmmod testdev_writer
