#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading rust_vtd fails late: the second unit, at $SECOND_UNIT, does not answer a command, or the
# kernel refuses to register a unit. What was put up before is gone: no unit, no group, translation
# off. Drivers are bound again, and their DMA passes. When the fault is mended, it loads.

. /lib.sh
. /devices.sh
. /data.sh
. /drivers.sh
begin

# translates: the first unit does (GSTS_REG.TES). Only while no driver has its registers.
translates() { [ $(($(devmem $((UNIT + 0x1c)) 32) & 0x80000000)) -ne 0 ]; }

# not COMMAND...: it fails.
not() { ! "$@"; }

# usable: the disk works.
usable() {
	wait_for 20 has_disk "$DISK" && write_and_read "$(disk_of "$DISK")" 1
}

# fails WHAT TEXT
fails() {
	drivers any >/tmp/before
	check "rust_vtd does not load: $1" refuses_saying "$2"
	check "nothing of it is left: $1" nothing_left
	check "the first unit does not translate: $1" not translates
	drivers any >/tmp/after
	check "all drivers are bound again: $1" diff /tmp/before /tmp/after
	check "the disk works: $1" usable
}

[ -d /sys/module/rust_iommu ] || check "rust_iommu loads" load rust_iommu
check "there is a second unit" load vtd_in_memory base="$SECOND_UNIT"
ignore=/sys/module/vtd_in_memory/parameters/ignore

echo root >$ignore
fails "the second unit takes no root table" "dmar1"
echo queue >$ignore
fails "the second unit does not turn its queue on" "dmar1"
echo translation >$ignore
fails "the second unit does not translate" "dmar1"
echo none >$ignore
for nth in 1 2; do
	check "the kernel is to refuse unit $nth" load registration at=refuse nth=$nth
	fails "the kernel refuses unit $nth" "dmar$((nth - 1)): cannot be used: error -5"
	equal "it was asked" Y "$(cat /sys/module/registration/parameters/tried)"
	check "it refuses no more" rmmod registration
done

check "now rust_vtd loads" load rust_vtd
check "the disk works" usable
check "it is behind the first unit" \
	test -e "/sys/class/iommu/dmar0/devices/$DISK"
check "$SECOND is behind the second" test -e "/sys/class/iommu/dmar1/devices/$SECOND"
check "all drivers are taken off" let_all_go
for unit in dmar0 dmar1; do
	check "$unit is detached" sh -c "echo 1 >/sys/class/iommu/$unit/detach"
done
check "rust_vtd is unloaded" rmmod rust_vtd
check "nothing is left" nothing_left
check "the second unit goes" rmmod vtd_in_memory
