#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A port that comes after the IOMMU driver gets access control, too: $PORT is
# removed with its control bits cleared, and found again.

. /lib.sh
. /devices.sh
. /config.sh
begin

# Source validation, request redirect, completion redirect, upstream forwarding.
isolation=0x1d
acs=$(capability "$PORT" 0x000d)

has_isolation() {
	control=$(config "$PORT" $((acs + 6)) 2)
	printf 'control %#x\n' "$control"
	[ $((control & isolation)) -eq $((isolation)) ]
}

check "$PORT has access control" has_isolation
check "it is cleared" set_config "$PORT" $((acs + 6)) 0
equal "and reads 0" 0 "$(config "$PORT" $((acs + 6)) 2)"
check "the port is removed" sh -c "echo 1 >/sys/bus/pci/devices/$PORT/remove"
check "and comes back" sh -c "echo 1 >/sys/bus/pci/rescan"
check "with access control" has_isolation
check "in a group" group_of "$PORT"
