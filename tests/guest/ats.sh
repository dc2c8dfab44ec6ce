#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A disk whose device keeps translations itself: ATS is on while its DMA is
# translated, and off while it passes through. The host looks at what unmaps send.
# Another function may ask for parts of pages: its ATS is not used.

. /lib.sh
. /devices.sh
. /data.sh
. /config.sh
begin

# ats_is on|off [FUNCTION]
ats_is() {
	ats=$(capability "${2:-$DISK}" 0x000f) || return 1
	control=$(config "${2:-$DISK}" $((ats + 6)) 2)
	printf 'control %#x\n' "$control"
	if [ $((control & 0x8000)) -ne 0 ]; then [ "$1" = on ]; else [ "$1" = off ]; fi
}

check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
check "ATS is on" ats_is on
check "ATS of the function that may ask for parts of pages is off" ats_is off "$UNALIGNED"
mark translated
check "$DISK_MIB MiB come back" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"

driver=$(basename "$(driver_of "$DISK")")
type=$(group_of "$DISK")/type
check "its driver is taken off" unbind "$DISK"
check "ATS stays on" ats_is on
mark switched
check "the device is reset" sh -c "echo 1 >/sys/bus/pci/devices/$DISK/reset"
check "ATS is on after that" ats_is on
check "its group is made an identity group" sh -c "echo identity >$type"
check "ATS is off" ats_is off
check "its driver is put back" bind "$DISK" "$driver"
check "there is a disk again" wait_for 20 has_disk "$DISK"
check "$DISK_MIB MiB come back untranslated" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"
check "its driver is taken off again" unbind "$DISK"
check "its group is made a $GROUP_TYPE group" sh -c "echo $GROUP_TYPE >$type"
check "ATS is on again" ats_is on
check "its driver is put back again" bind "$DISK" "$driver"
check "there is a disk once more" wait_for 20 has_disk "$DISK"
mark again
check "$DISK_MIB MiB come back translated" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"
mark done
