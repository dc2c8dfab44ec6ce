#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading rust_vtd, which probes every device, with each of its allocations failing in
# turn. Whatever comes of it, a device goes on reaching the memory at $RESERVED, and
# after what did not load there is no unit, no group and no table.

. /lib.sh
. /devices.sh
. /registers.sh
. /failing.sh
. /pages.sh
begin

check "allocations can be made to fail" failing_ready
# The kernel does not notice that it could not make the files of an interrupt in /proc,
# and complains when it removes them. Complaints are still looked for when all is over.
echo 0 >/proc/sys/kernel/panic_on_warn
check "the test device decodes its registers" testdev_open
check "it is told where to write" testdev_aim "$RESERVED" "$RESERVED"
check "rust_iommu loads" load rust_iommu

unload() { echo 1 >/sys/class/iommu/dmar0/detach && rmmod rust_vtd; }

# Freed with delay: what RCU still holds.
no_pages() { [ "$(table_pages)" -eq 0 ]; }

nothing_there() {
	for left in /sys/class/iommu/* /sys/kernel/iommu_groups/* /sys/kernel/debug/*dmar* \
		/sys/kernel/debug/rust_vtd* /sys/module/rust_vtd; do
		[ ! -e "$left" ] || { echo "$left is left"; return 1; }
	done
	! grep -E 'dmar0|rust_vtd' /proc/iomem /proc/interrupts && wait_for 1 no_pages &&
		[ "$(testdev_write)" = 0x00000000 ]
}
check "nothing is there" nothing_there
sweep "loading rust_vtd" failing_program "finit_module /modules/rust_vtd.ko" unload nothing_there

check "rust_vtd loads" load rust_vtd
equal "the device is in a domain" DMA "$(group_type "$TESTDEV")"
