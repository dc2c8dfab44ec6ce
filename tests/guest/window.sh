#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A driver is loaded for the test device at the worst moments of loading rust_vtd: when the drivers
# are released and the kernel knows of no IOMMU yet, and when the device has its domain and
# translation is not on yet. It binds after that, and its DMA arrives.

. /lib.sh
. /devices.sh
. /drivers.sh
begin

SAID=/sys/module/registration/parameters

is_bound() { [ "$(cat $SAID/bound)" = Y ] && driver_of "$TESTDEV"; }

[ -d /sys/module/rust_iommu ] || check "rust_iommu loads" load rust_iommu
for at in before after; do
	drivers any >/tmp/before
	check "a driver waits to bind $at the registration" \
		load registration at=$at device="$TESTDEV"
	check "rust_vtd loads" load rust_vtd
	equal "the driver was loaded meanwhile" Y "$(cat $SAID/tried)"
	check "it binds" wait_for 5 is_bound
	equal "but not while the unit translates nothing" N "$(cat $SAID/early)"
	equal "what the device writes arrives" Y "$(cat $SAID/arrived)"
	check "its device is in a group" group_of "$TESTDEV"
	check "the driver is unloaded" rmmod registration
	drivers any >/tmp/after
	check "all other drivers are bound again" diff /tmp/before /tmp/after

	check "all drivers are taken off" let_all_go
	check "the unit is detached" sh -c "echo 1 >/sys/class/iommu/dmar0/detach"
	check "rust_vtd is unloaded" rmmod rust_vtd
	check "drivers are bound again" bind_again /tmp/before
done
