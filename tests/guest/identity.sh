#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Under iommu=pt groups are given the identity domain, and DMA passes through.
# The group of $DISK is then made a DMA group, while it has no driver, and
# from there on its DMA is translated.

. /lib.sh
. /devices.sh
. /data.sh
begin

check "there is a disk behind $DISK" wait_for 20 has_disk "$DISK"
equal "its group is an identity group" identity "$(group_type "$DISK")"
check "$DISK_MIB MiB come back untranslated" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"

driver=$(basename "$(driver_of "$DISK")")
type=$(group_of "$DISK")/type
check "its type cannot change under a driver" sh -c "! echo DMA >$type"
mark released
check "its driver is taken off" unbind "$DISK"
check "its type is changed" sh -c "echo DMA >$type"
equal "its group is a DMA group" DMA "$(group_type "$DISK")"
mark switched
check "its driver is put back" bind "$DISK" "$driver"
check "there is a disk again" wait_for 20 has_disk "$DISK"
check "$DISK_MIB MiB come back translated" write_and_read "$(disk_of "$DISK")" "$DISK_MIB"
