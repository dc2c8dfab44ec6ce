#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The consumer asks for a domain in which all accesses snoop the CPU caches, as
# VFIO does. The host looks into the entries that the unit reads.

. /lib.sh
. /dmatest.sh
begin

load rust_iommu_dmatest
check "the device enters a domain of its own" says attached attach
check "which is to force coherence" says "accesses snoop" coherent
check "twice is as good" says "accesses snoop" coherent
check "a page is mapped" tell map 0x40000000 0x1000 read-write
check "and a large one" tell map 0x40200000 0x200000 read-write
mark coherent
check "a write to the page arrives" arrives 0x40000000
check "and to the large one" arrives 0x40200000
mark coherent-done
check "the device goes back" says detached detach

check "it enters another domain" says attached attach
check "in which a page is mapped" tell map 0x40000000 0x1000 read-write
check "too late to ask" says "accesses need not snoop" coherent
check "a write arrives" arrives 0x40000000
check "the device goes back again" says detached detach
