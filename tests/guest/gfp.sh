#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Pages of tables are asked for as the caller wants it: one that must not sleep gets
# none by sleeping. A probe sees the flags of each page that is asked for.

. /lib.sh
. /dmatest.sh
begin

TRACING=/sys/kernel/tracing
# __GFP_DIRECT_RECLAIM (include/linux/gfp_types.h).
MAY_SLEEP=$((0x400))

mount -t tracefs trace $TRACING 2>/dev/null
if [ ! -e $TRACING/kprobe_events ]; then
	skip "pages are asked for as the caller wants it" "this kernel has no probes"
	exit 0
fi

# watched COMMAND...: tells the consumer to do that. Leaves in $asked and $sleeping how
# many pages were asked for meanwhile, and for how many of them one may sleep.
watched() {
	echo >$TRACING/trace
	tell "$@" >/tmp/told || return
	asked=0 sleeping=0
	for gfp in $(sed -n 's/.*: gfp: .* gfp=\([0-9]*\)$/\1/p' $TRACING/trace); do
		asked=$((asked + 1))
		[ $((gfp & MAY_SLEEP)) -eq 0 ] || sleeping=$((sleeping + 1))
	done
	diag "$*: $asked pages, $sleeping of them may sleep"
}

check "the consumer loads" load rust_iommu_dmatest
echo 'p:gfp iommu_alloc_pages_node_sz gfp=%si:u32' >$TRACING/kprobe_events
echo 1 >$TRACING/events/kprobes/gfp/enable

# The first mapping of its domain. The DMA API may be called anywhere: it never sleeps.
check "a page is mapped through the DMA API" watched dma-map read-write
check "tables grow for it" test "$asked" -gt 0
equal "and no page of them is waited for" 0 "$sleeping"
check "the page is unmapped" watched dma-unmap
equal "without a page of memory" 0 "$asked"

# A caller that may sleep does.
check "the device enters a domain of its own" tell attach
check "a page is mapped there" watched map 0x40000000 4096 read-write
check "tables grow for it, too" test "$asked" -gt 0
equal "with pages that may be waited for" "$asked" "$sleeping"
check "the page is unmapped" watched unmap 0x40000000 4096
equal "without a page of memory" 0 "$asked"
check "the device goes back" watched detach
equal "without a page of memory" 0 "$asked"

echo 0 >$TRACING/events/kprobes/gfp/enable
echo >$TRACING/kprobe_events
umount $TRACING
