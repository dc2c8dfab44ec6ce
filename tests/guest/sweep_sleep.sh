#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Sleeping and waking up, with each allocation on that way failing in turn.

. /lib.sh
. /dmatest.sh
. /failing.sh
. /pages.sh
begin

check "allocations can be made to fail" failing_ready
check "the consumer loads" load rust_iommu_dmatest
iova=$(tell dma-map read-write)
pages_before=$(table_pages)
still_mapped() { [ "$(table_pages)" -eq "$pages_before" ] && arrives "$iova"; }

sleeps() {
	host wake_when_asleep </dev/console && echo mem >/sys/power/state
}
sweep "sleeping and waking up" with_failure sleeps true still_mapped
never=$(printf '0x%x' $((iova - 0x10000)))
check "a write to an address that was never mapped faults" refused "$never"
tell dma-unmap >/dev/null
