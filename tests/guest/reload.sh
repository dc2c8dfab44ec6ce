#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Load, use, detach, unload, and all of it again. A unit whose devices have
# drivers is not let go, and a module with a unit not unloaded.

. /lib.sh
. /devices.sh
. /data.sh
begin

detach=/sys/class/iommu/dmar0/detach

use() {
	check "there is a disk behind $DISK ($1)" wait_for 20 has_disk "$DISK"
	equal "its group has type $GROUP_TYPE ($1)" "$GROUP_TYPE" "$(group_type "$DISK")"
	check "$DISK_MIB MiB come back ($1)" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"
}

# refused_naming FUNCTION: the unit is not detached, and the log says because of whom.
refused_naming() {
	dmesg -c >/dev/null
	if echo 1 2>/tmp/said >"$detach"; then
		echo "detached under a driver"
		return 1
	fi
	cat /tmp/said
	dmesg
	grep -q "busy" /tmp/said && dmesg | grep -q "$1"
}

use "first time"
for round in first second; do
	mark "$round-detach"
	check "rust_vtd cannot be unloaded ($round time)" sh -c "! rmmod rust_vtd"
	bound=$(for function in $(pci_functions); do driver_of "$function" >/dev/null && echo "$function"; done)
	check "a unit in use is not detached, and says for whom ($round time)" \
		refused_naming "$(echo "$bound" | head -n 1)"
	drivers=$(for function in $bound; do echo "$function $(basename "$(driver_of "$function")")"; done)
	check "drivers are taken off ($round time)" let_all_go
	check "the unit is detached ($round time)" sh -c "echo 1 >$detach"
	check "rust_vtd is unloaded ($round time)" rmmod rust_vtd
	check "no group is left ($round time)" test -z "$(ls /sys/kernel/iommu_groups)"
	check "no IOMMU is left ($round time)" test -z "$(ls /sys/class/iommu)"
	check "rust_iommu is unloaded ($round time)" rmmod rust_iommu
	mark "$round-unload"
	[ "$round" = second ] && break

	check "rust_iommu is loaded again" load rust_iommu
	check "rust_vtd is loaded again" load rust_vtd
	mark second-load
	echo "$drivers" | while read -r function driver; do
		driver_of "$function" >/dev/null || bind "$function" "$driver"
	done
	use "second time"
done
