#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How many instructions the kernel's IOMMU and DMA APIs take: with a clock that
# counts them, nanoseconds are instructions. The rows' names are in
# tools/guest/bench/rows.py.

. /lib.sh
. /bench.sh
. /devices.sh
begin

check "the clock is the one that counts" \
	grep -qx tsc /sys/devices/system/clocksource/clocksource0/current_clocksource
# Ahead of what the kernel's threads have to do meanwhile: on one CPU that would be
# measured.
check "the benchmark has priority" renice -n -20 -p $$
check "the benchmark loads" load rust_iommu_bench
equal "the DMA API is strict" DMA "$(group_type "$TESTDEV")"

# sizes WHERE: the rows of a domain, with the device in it or not.
sizes() {
	measure "$1.4k" pieces 4096 64
	measure "$1.64k" pieces 65536 16
	measure "$1.1m" pieces 1048576 4
	measure "$1.2m" pieces 2097152 16
}
sizes detached
check "attach" tell attach
sizes attached
check "detach" tell detach

measure pair attachments 8

# dma_api FLUSH COUNT
dma_api() {
	measure "$1.4k" single 4096 "$2"
	measure "$1.64k" single 65536 "$2"
	measure "$1.list" lists 1
}
dma_api strict 64
lazy() {
	tell release && echo DMA-FQ >"$(group_of "$TESTDEV")/type" &&
		[ "$(group_type "$TESTDEV")" = DMA-FQ ]
}
check "the DMA API becomes lazy" lazy
dma_api lazy 256

# pages: how many pages the tables of all domains have.
pages() {
	cat /proc/sys/vm/stat_refresh
	sed -n 's/^nr_iommu_pages //p' /proc/vmstat
}
# gigabyte: 1 GiB in a domain of its own, in pages that are not next to each other
# in memory. The domain is in it, as it comes with a table.
gigabyte() {
	tell release || return
	before=$(pages)
	tell pieces 4096 262144 && tell map || return
	record gigabyte.pages $(($(pages) - before))
	tell release
}
check "1 GiB of pages" gigabyte

# fresh: the same with 32 MiB in an empty domain, timed.
fresh() {
	tell release || return
	tell pieces 4096 8192 && time=$(tell map) || return
	record "fresh.map.$1" "$time/8192"
}
for number in 1 2 3 4 5; do
	check "pages in an empty domain" fresh "$number"
done
