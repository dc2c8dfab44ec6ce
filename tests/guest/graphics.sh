#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Integrated graphics, which a module pretends to be there at $GRAPHICS: their DMA
# passes by default, and is translated if rust_vtd is told so.

. /lib.sh
. /devices.sh
begin

FUNCTION=/sys/module/pretended_function

# appears PLACE VENDOR: a display controller; sets IOVA and PHYSICAL of a page it has mapped.
appears() {
	load pretended_function "place=$1" "vendor=$2" device=0x3e92 class=0x030000 || return
	read -r IOVA PHYSICAL <$FUNCTION/parameters/map
}

# ends: rust_vtd goes, and the function.
ends() { rmmod pretended_function && echo 1 >/sys/class/iommu/dmar0/detach && rmmod rust_vtd; }

told() { dmesg | grep "rust_vtd\|rust_iommu" | grep "$GRAPHICS: integrated graphics: their DMA passes"; }

check "rust_vtd loads" load rust_vtd
check "graphics of another vendor appear" appears "$GRAPHICS" 0x1234
equal "their group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$GRAPHICS")"
check "and the log has nothing of them" sh -c "! dmesg | grep 'rust.*$GRAPHICS'"
check "they go" rmmod pretended_function

check "graphics of Intel appear" appears "$GRAPHICS" 0x8086
equal "their group is an identity group" identity "$(group_type "$GRAPHICS")"
equal "they see memory as it is" "$PHYSICAL" "$IOVA"
check "the log says so" told
check "rust_vtd goes" ends

check "rust_vtd loads, told to translate them" load rust_vtd translate_graphics=1
check "graphics of Intel appear" appears "$GRAPHICS" 0x8086
equal "their group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$GRAPHICS")"
check "they see a page elsewhere" [ $((IOVA)) -ne $((PHYSICAL)) ]
check "rust_vtd goes" ends

# QM57's host bridge says that graphics beside it do not work with translation.
check "QM57's host bridge appears" load pretended_function "place=$GRAPHICS" vendor=0x8086 device=0x44
check "rust_vtd loads" load rust_vtd translate_graphics=1
check "the log says what is wrong" \
	sh -c "dmesg | grep 'rust_vtd: $GRAPHICS: graphics of this chipset do not work'"
equal "the bridge itself is no display" "$GROUP_TYPE" "$(group_type "$GRAPHICS")"
check "rust_vtd goes" ends
