#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first unit of the table is not there: it is named, and so is its device,
# which stays as it was. The second unit serves the others.

. /lib.sh
. /devices.sh
begin

check "the unit is refused by name" \
	sh -c "dmesg | grep 'rust_vtd: dmar0: no unit answers at $ABSENT'"
check "its device is named" \
	sh -c "dmesg | grep '$TESTDEV: its DMA is not translated, as its unit is not in use'"
check "its device is in no group" sh -c "! [ -e /sys/bus/pci/devices/$TESTDEV/iommu_group ]"
check "it is no IOMMU of sysfs" test ! -e /sys/class/iommu/dmar0
check "the other unit is" test -e /sys/class/iommu/dmar1
for function in $DISKS; do
	equal "$function is behind it" "$(readlink -f /sys/class/iommu/dmar1)" \
		"$(readlink -f "/sys/bus/pci/devices/$function/iommu")"
done
