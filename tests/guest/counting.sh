#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Has the kernel count what is mapped and unmapped from here on, with histograms
# of its own trace events: no ring buffer can lose one. counts.sh reads them.

. /lib.sh
begin

mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
count() { echo 'hist:keys=common_cpu:vals=hitcount,size' >"/sys/kernel/tracing/events/iommu/$1/trigger"; }
check "maps are counted" count map
check "unmaps are counted" count unmap
