#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A port that loses its access control has it again when it is back: $PORTS were in sleep before
# this script runs (sleep.sh), and then the bus below the first is reset, on which the second is.

. /lib.sh
. /devices.sh
. /config.sh
begin

# Source validation, request redirect, completion redirect, upstream forwarding.
isolation=0x1d

control_at() { echo $(($(capability "$1" 0x000d) + 6)); }

has_isolation() {
	control=$(config "$1" "$(control_at "$1")" 2)
	printf 'control %#x\n' "$control"
	[ $((control & isolation)) -eq $((isolation)) ]
}

for port in $PORTS; do
	check "$port has access control after sleep" has_isolation "$port"
done
above=${PORTS% *} below=${PORTS#* }
check "$below has none" set_config "$below" "$(control_at "$below")" 0
equal "and says so" 0 "$(config "$below" "$(control_at "$below")" 2)"
check "the bus below $above is reset" \
	sh -c "echo 1 >/sys/bus/pci/devices/$above/reset_subordinate"
check "$below has access control after that" has_isolation "$below"
