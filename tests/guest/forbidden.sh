#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# DMA that must not happen does not, and is reported with requester, address,
# access and reason. Each address first works, so that the IOTLB holds it.

. /lib.sh
. /devices.sh
. /dmatest.sh
begin

check "the consumer loads" load rust_iommu_dmatest
check "the device is driven" test -e "$DMATEST/command"
equal "its group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$TESTDEV")"

# Memory mapped through the DMA API.
iova=$(tell dma-map read-write)
diag "mapped at $iova"
check "a write to mapped memory arrives" arrives "$iova"
check "the memory is unmapped" tell dma-unmap
if [ "$FLUSH" = lazy ]; then
	check "after the unmap a write arrives or faults" arrives_or_refused "$iova"
	# The flush queue's timer has 10 ms.
	sleep 0.3
	check "after the flush a write faults" refused "$iova"
else
	check "after the unmap a write faults" refused "$iova"
fi

iova=$(tell dma-map read-write)
check "a write to memory mapped again arrives" arrives "$iova"
never=$(printf '0x%x' $((iova - 0x10000)))
check "a write to an address that was never mapped faults" refused "$never"
check "and leaves what is mapped alone" arrives "$iova"
tell dma-unmap >/dev/null

iova=$(tell dma-map read)
check "a write to memory mapped for reading faults" refused "$iova"
tell dma-unmap >/dev/null

iova=$(tell dma-map write)
check "a write to memory mapped for writing arrives" arrives "$iova"
tell dma-unmap >/dev/null

# A domain of the driver's own; unmapping there is never lazy.
iova=$(tell dma-map read-write)
check "a write to mapped memory arrives once more" arrives "$iova"
check "the device enters a domain of its own" says attached attach
check "there, the same address faults" refused "$iova"
check "a page is mapped" tell map 0x40000000 4096 read-write
check "a write to it arrives" arrives 0x40000000
check "it is unmapped" says "unmapped 0x1000 bytes" unmap 0x40000000 4096
check "a write to it faults" refused 0x40000000
check "2 MiB are mapped" tell map 0x40200000 0x200000 read-write
check "a write to their last page arrives" arrives 0x403ff000 0x1ff000
check "they are unmapped" says "unmapped 0x200000 bytes" unmap 0x40200000 0x200000
check "a write to their last page faults" refused 0x403ff000
check "pages are mapped for reading" tell map 0x40400000 0x2000 read
check "a write to the second faults" refused 0x40401000
check "the device goes back" says detached detach
check "where a write arrives again" arrives "$iova"
tell dma-unmap >/dev/null
