#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Firmware's table is wrong in many ways. Two units cannot serve: they are named, and so are their
# devices, which stay as they were. The third unit serves the others.

. /lib.sh
. /devices.sh
begin

# told TEXT: our driver has said so, once.
told() { [ "$(dmesg | grep -c "rust_vtd: $1")" -eq 1 ]; }
# untranslated FUNCTION: it is named, and in no group.
untranslated() {
	dmesg | grep "$1: its DMA is not translated, as its unit is not in use" &&
		! [ -e "/sys/bus/pci/devices/$1/iommu_group" ]
}

check "a unit at address 0 is refused by name" \
	told "dmar0: the DMAR table is wrong: the unit at 0x0 has its registers at address 0"
check "its device is named" untranslated "$NOWHERE"
check "a unit that does not answer is refused by name" \
	told "dmar1: no unit answers at $ABSENT"
check "its device is named, too" untranslated "$TESTDEV"
equal "its driver was left alone" 1 "$(dmesg | grep -c "pci-stub $TESTDEV: claimed by stub")"
for unit in dmar0 dmar1 dmar3; do
	check "$unit is no IOMMU of sysfs" test ! -e "/sys/class/iommu/$unit"
done
check "the other unit is" test -e /sys/class/iommu/dmar2
for function in $DISKS; do
	equal "$function is behind it" "$(readlink -f /sys/class/iommu/dmar2)" \
		"$(readlink -f "/sys/bus/pci/devices/$function/iommu")"
done
while read -r line; do
	check "the log has: $line" told "DMAR table: offset 0x[0-9a-f]*: $line"
done <<'LINES'
memory, or a PCI window, is above the host address width of 28 bits: 52 bits
expected a length that covers the fixed fields: the rest of the device scopes is not read
a second description of the unit at 0xfed90000: the first one counts
reserved memory (RMRR) that is not whole pages: 0x0 to 0x0: it is widened to pages
reserved memory (RMRR) that ends before it starts: 0x3000 to 0x1fff: it is left out
there is no unit at 0x7000
LINES
check "the memory that was widened is reserved" \
	grep '^0x0000000000000000 0x0000000000000fff direct$' "$(group_of "$DISK")/reserved_regions"
