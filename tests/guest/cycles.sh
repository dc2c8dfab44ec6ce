#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Ten times: load, use, detach, unload. What is left each time is what there was, and
# what the kernel keeps for us does not become more.

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

# kept: what the kernel still has for modules, whatever they are called: interrupts,
# mappings of registers, memory of vmalloc() that code which is gone has asked for (its
# address has no name any more), and users of modules. The first round takes the drivers
# off that were bound at boot, so that the rounds after it are compared with that one.
kept() {
	echo "interrupts $(ls /sys/kernel/irq | wc -l)"
	echo "mappings of registers $(grep -c ' ioremap$' /proc/vmallocinfo)"
	echo "vmalloc without an owner $(awk '$3 ~ /^0x/' /proc/vmallocinfo | wc -l)"
	sort /proc/modules | awk '{ print "users of", $1, $3 }'
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
	[ "$round" -gt 1 ] || first=$(kept)
	equal "nothing is kept ($round)" "$first" "$(kept)"
done
