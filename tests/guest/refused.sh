#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# After our driver has refused, the machine is as it was: the disk works.

. /lib.sh
. /devices.sh
. /data.sh
begin

check "no unit is ours" test ! -e /sys/kernel/debug/rust_vtd/dmar0
check "rust_vtd is not loaded" test ! -d /sys/module/rust_vtd
check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
check "1 MiB comes back" write_and_read "$(disk_of "$DISK")" 1
