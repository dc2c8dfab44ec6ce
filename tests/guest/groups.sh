#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every PCI function is in a group, and each group has the type that the machine
# is to give, and keeps out of what no mapping works for. The host compares the groups with those of the built-in driver.

. /lib.sh
. /devices.sh
begin

in_a_group() {
	for function in $(pci_functions); do
		group_of "$function" >/dev/null || echo "$function is in none"
	done >/tmp/alone
	cat /tmp/alone
	[ ! -s /tmp/alone ]
}

# all_of_type TYPE
all_of_type() {
	grep -v "^$1\$" /sys/kernel/iommu_groups/*/type >/tmp/others
	cat /tmp/others
	[ ! -s /tmp/others ]
}

# with_virtual FUNCTION...: the virtual functions of $PHYSICAL come, and are these.
with_virtual() {
	load pci_pf_stub || return
	sed 's/0x//' "/sys/bus/pci/devices/$PHYSICAL/vendor" "/sys/bus/pci/devices/$PHYSICAL/device" |
		xargs >/sys/bus/pci/drivers/pci-pf-stub/new_id || return
	echo $# >"/sys/bus/pci/devices/$PHYSICAL/sriov_numvfs" || return
	for function; do [ -e "/sys/bus/pci/devices/$function/physfn" ] || return; done
}
# shellcheck disable=SC2086 # addresses, one word each
[ -z "$PHYSICAL" ] || check "$PHYSICAL gets virtual functions" with_virtual $VIRTUAL

check "every PCI function is in a group" in_a_group
for group in $(ls /sys/kernel/iommu_groups | sort -n); do
	folder=/sys/kernel/iommu_groups/$group
	diag "GROUP $group $(cat "$folder/type") $(ls "$folder/devices" | xargs)"
done
check "every group has type $GROUP_TYPE" all_of_type "$GROUP_TYPE"

# interrupts_reserved: no group maps the addresses that the CPUs take for interrupts.
interrupts_reserved() {
	grep -L '^0x00000000fee00000 0x00000000feefffff msi$' \
		/sys/kernel/iommu_groups/*/reserved_regions >/tmp/unreserved
	cat /tmp/unreserved
	[ ! -s /tmp/unreserved ]
}
check "every group keeps out of the CPUs' interrupts" interrupts_reserved

# together FUNCTION...: they are in one group.
together() {
	for function; do group_of "$function"; done | sort -u >/tmp/together
	cat /tmp/together
	[ "$(wc -l </tmp/together)" -eq 1 ]
}
# apart FUNCTION...: no two of them are in one group.
apart() {
	for function; do group_of "$function"; done | sort | uniq -d >/tmp/apart
	cat /tmp/apart
	[ ! -s /tmp/apart ]
}
# shellcheck disable=SC2086 # addresses, one word each
[ -z "$TOGETHER" ] || check "$TOGETHER are one group" together $TOGETHER
# shellcheck disable=SC2086
[ -z "$APART" ] || check "$APART are in groups of their own" apart $APART

# What each device must keep out of: the host compares it with the built-in driver's, too.
for group in $(ls /sys/kernel/iommu_groups | sort -n); do
	folder=/sys/kernel/iommu_groups/$group
	diag "RESERVED $(ls "$folder/devices" | xargs) = $(sort "$folder/reserved_regions" | xargs)"
done

for function in $VIRTUAL; do
	check "$function has no memory of the physical function" \
		sh -c "! grep direct $(group_of "$function")/reserved_regions"
done

# What a domain of the test device can do: compared as well.
if [ -e "/modules/rust_iommu_dmatest.ko" ] && [ -e "/sys/bus/pci/devices/$TESTDEV" ]; then
	. /dmatest.sh
	check "the consumer loads" load rust_iommu_dmatest
	diag "DOMAIN $(tell about)"
	check "and goes" rmmod rust_iommu_dmatest
fi
