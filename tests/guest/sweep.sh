#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Mapping, a domain, attaching, leaving, and a device that arrives, with each of their
# allocations failing in turn. After each failure what was mapped before is mapped,
# what was not is refused, and as many table pages are in use as before.

. /lib.sh
. /devices.sh
. /dmatest.sh
. /failing.sh
. /pages.sh
begin

check "allocations can be made to fail" failing_ready
check "the consumer loads" load rust_iommu_dmatest
order() { echo "$*" 2>/dev/null >"$DMATEST/command"; }

pages_before=
as_many_pages() { [ "$(table_pages)" -eq "$pages_before" ]; }
same_pages() { wait_for 1 as_many_pages || { echo "$pages_before pages, now $(table_pages)"; return 1; }; }

# In the domain of the DMA API. Once before: the first mapping of a place makes tables,
# which stay for the next.
check "a mapping of the DMA API" tell dma-map read-write
check "is undone" tell dma-unmap
pages_before=$(table_pages)
sweep "mapping by the DMA API" with_failure "order dma-map read-write" "order dma-unmap" same_pages

iova=$(tell dma-map read-write)
pages_before=$(table_pages)
still_mapped() { same_pages && arrives "$iova"; }
check "what is mapped arrives" still_mapped
sweep "a domain, and attaching to it" with_failure "order attach" "order detach" still_mapped

check "the device enters a domain of its own" says attached attach
check "a page is mapped there" tell map 0x1000 0x1000 read-write
# Tables that a mapping has got stay when it fails for want of more: until the domain goes.
still_arrives() { arrives 0x1000 && says "not mapped" lookup "$1"; }
# Beside a page, in the same table; in a table of its own; in tables of three levels.
for place in 0x2000 0x40000000 0x8000000000; do
	sweep "mapping a page at $place" with_failure "order map $place 0x1000 read-write" \
		"order unmap $place 0x1000" "still_arrives $place"
done
sweep "mapping 2 MiB and a page" with_failure "order map 0xc0000000 0x201000 read-write" \
	"order unmap 0xc0000000 0x201000" "still_arrives 0xc0000000"
# What may fail is the command itself: that leaving a domain does, the C core complains of.
again() { order attach && order map 0x1000 0x1000 read-write; }
sweep "leaving a domain" with_failure "order detach" again "arrives 0x1000"
check "the device goes back" says detached detach
check "and no table is left of its domain" same_pages

# A device that comes.
remove() { echo 1 >"/sys/bus/pci/devices/$SECOND/remove"; }
rescan() { echo 1 >/sys/bus/pci/rescan; }
# It has come without a group if an allocation failed.
arrive() { rescan && group_of "$SECOND" >/dev/null; }
echo 0 >/sys/bus/pci/drivers_autoprobe
check "a device is removed" remove
rescan
check "and comes back" group_of "$SECOND"
check "and is removed" remove
pages_before=$(table_pages)
gone_and_unchanged() {
	[ ! -e "/sys/bus/pci/devices/$SECOND" ] || remove
	same_pages && arrives "$iova"
}
sweep "a device that arrives" with_failure rescan remove gone_and_unchanged
check "it comes" arrive
equal "its group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$SECOND")"
tell dma-unmap >/dev/null
