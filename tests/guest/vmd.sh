#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A function appears behind a VMD controller: the test device at $TESTDEV plays
# the controller, so that what the function maps is reached with the requester ID
# of the test device.

. /lib.sh
. /devices.sh
. /registers.sh
begin

CHILD=10000:00:00.0
FUNCTION=/sys/module/pretended_function

check "the test device decodes its registers" testdev_open
check "a function appears behind it" load pretended_function place=$CHILD behind="$TESTDEV"
equal "it is in the controller's group" "$(group_of "$TESTDEV")" "$(group_of $CHILD)"
equal "whose type is $GROUP_TYPE" "$GROUP_TYPE" "$(group_type $CHILD)"
# Nobody else has turned bus mastering on: the test device has no driver.
check "the controller may do DMA" set_master "$TESTDEV"
read -r iova physical <$FUNCTION/parameters/map
diag "mapped $iova for $physical"
check "what the function maps is another address" [ $((iova)) -ne $((physical)) ]
testdev_aim "$iova" "$physical"
equal "its DMA arrives" 0x00000000 "$(testdev_write)"
check "the function goes" rmmod pretended_function
check "its page is out of reach" refused_at "$iova"
