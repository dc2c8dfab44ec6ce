#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Ten times: load, use, detach, unload. What is left each time is what there was.

. /lib.sh
. /devices.sh
. /data.sh
begin

# let_go: takes the drivers off all functions, and ends our modules.
let_go() {
	for function in $(pci_functions); do
		driver_of "$function" >/dev/null || continue
		unbind "$function" || return
	done
	echo 1 >/sys/class/iommu/dmar0/detach && rmmod rust_vtd && rmmod rust_iommu
}

# leftovers: what loading leaves traces in.
leftovers() {
	ls /sys/class/iommu /sys/kernel/iommu_groups
	grep -c rust_vtd /proc/iomem
	grep -c dmar /proc/interrupts
	ls -d /sys/kernel/debug/rust_vtd 2>/dev/null
	ls /sys/kernel/software_nodes 2>/dev/null | grep -c .
	# Counters of each CPU are added up now.
	cat /proc/sys/vm/stat_refresh
	sed -n '/^nr_iommu_pages /p' /proc/vmstat
}

before=$(leftovers)
for round in 1 2 3 4 5 6 7 8 9 10; do
	check "rust_iommu loads ($round)" load rust_iommu
	check "rust_vtd loads ($round)" load rust_vtd
	load nvme
	driver_of "$DISK" >/dev/null || bind "$DISK" nvme
	check "there is a disk behind $DISK ($round)" wait_for 20 has_disk "$DISK"
	check "1 MiB comes back ($round)" write_and_read "$(disk_of "$DISK")" 1
	check "all is let go ($round)" let_go
	equal "nothing is left ($round)" "$before" "$(leftovers)"
done
