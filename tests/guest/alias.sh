#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Two functions behind a PCIe-to-PCI bridge ($NEAR, $FAR) arrive as one requester,
# $ALIAS. What one of them maps, unmaps or leaves does not touch the other's DMA,
# and the requester's context entry goes with the last of them.

. /lib.sh
. /devices.sh
. /dmatest.sh
begin

near() { at "$NEAR" "$@"; }
has_commands() { [ -e "/sys/kernel/debug/rust_iommu_dmatest/$1/command" ]; }
far() { at "$FAR" "$@"; }

load rust_iommu_dmatest
mark begin
page=$(near tell dma-map read-write)
other=$(far tell dma-map read-write)
check "a write of $NEAR arrives" near arrives "$page"
check "a write of $FAR arrives" far arrives "$other"
check "a page of $NEAR is unmapped" near tell dma-unmap
check "a write of $FAR still arrives" far arrives "$other"

page=$(near tell dma-map read-write)
check "$FAR is removed, with its driver" sh -c "echo 1 >/sys/bus/pci/devices/$FAR/remove"
check "a write of $NEAR still arrives" near arrives "$page"
mark one-left
check "$NEAR is removed" sh -c "echo 1 >/sys/bus/pci/devices/$NEAR/remove"
mark none-left

check "both come back" sh -c "echo 1 >/sys/bus/pci/rescan"
check "with a driver" wait_for 5 has_commands "$NEAR"
page=$(near tell dma-map read-write)
check "a write of $NEAR arrives again" near arrives "$page"
