#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# rust_vtd is loaded under devices in use: it refuses, and names the device and the use. No driver
# was released meanwhile, not even for a moment. When the use has ended, it loads.

. /lib.sh
. /devices.sh
. /data.sh
. /drivers.sh
begin

card=${CARDS%% *}
mounted=/tmp/mounted

# in_use TEXT: rust_vtd refuses because of that, and nothing has changed.
in_use() {
	drivers >/tmp/before
	check "rust_vtd refuses, and says: $1" refuses_saying "$1"
	drivers >/tmp/after
	check "every driver has stayed" diff /tmp/before /tmp/after
	check "nothing of it is left" nothing_left
}

check "rust_iommu loads" load rust_iommu
check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
disk=$(disk_of "$DISK")
check "the network card has an interface" wait_for 20 interface_of "$card"
interface=$(interface_of "$card")
load ext4

check "a file system is made" mke2fs -q "$disk"
mkdir -p "$mounted"
check "and mounted" mount -t ext4 "$disk" "$mounted"
in_use "$DISK: its driver cannot be released: it serves ${disk#/dev/}, which is open"
file=$(data 1)
check "a file is written to it" cp "$file" "$mounted/file"
sync
check "the file system is unmounted" umount "$mounted"

check "the interface is up" ip link set "$interface" up
in_use "$card: its driver cannot be released: it serves $interface, which is up"
check "it is still up" ip link show "$interface" up
check "the interface is down" ip link set "$interface" down

check "now rust_vtd loads" load rust_vtd
check "there is a disk again" wait_for 20 has_disk "$DISK"
check "the file system is mounted again" mount -t ext4 "$(disk_of "$DISK")" "$mounted"
check "the file is as it was" cmp "$file" "$mounted/file"
check "and unmounted" umount "$mounted"
drivers any >/tmp/bound
check "drivers are taken off" let_all_go
check "the unit is detached" sh -c "echo 1 >/sys/class/iommu/dmar0/detach"
check "rust_vtd is unloaded" rmmod rust_vtd
check "and drivers are bound again" bind_again /tmp/bound
