#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The consumer takes any input, says what is wrong with it, and does no harm.

. /lib.sh
. /dmatest.sh
begin

# wrong ERROR COMMAND...: the driver refuses with that error. (A kernel without
# CONFIG_SYMBOLIC_ERRNAME has no names of errors.)
wrong() {
	error=$(echo "$1" | sed 's/ENOENT/(&|Error[(]2[)])/; s/EBUSY/(&|Error[(]16[)])/; s/EINVAL/(&|Error[(]22[)])/')
	shift
	if tell "$@" >/tmp/said; then
		echo "'$*' worked"
		return 1
	fi
	cat /tmp/said
	grep -Eq "$error" /tmp/said
}

load rust_iommu_dmatest
check "an unknown command lists the known ones" wrong "stress ROUNDS" fly
check "so does an empty one" wrong "stress ROUNDS" ''
check "and one with words left over" wrong "known:" attach now
check "a line that is too long" wrong . "$(printf '%200s' x)"
check "what is no text" wrong . "$(printf 'attach \377\376')"
check "mapping without a domain" wrong "ENOENT.*attach first" map 0x1000 0x1000 read
check "unmapping what is not mapped" wrong ENOENT dma-unmap
check "leaving where one is not" wrong ENOENT detach

check "the device enters a domain of its own" says attached attach
check "twice" wrong EBUSY attach
check "half a page" wrong EINVAL map 0x1000 0x800 read
check "an address inside a page" wrong EINVAL map 0x1004 0x1000 read
check "no length" wrong EINVAL map 0x1000 0 read
check "past the last address" wrong EINVAL map 0xfffffffffffff000 0x2000 read
check "what the IOMMU cannot reach" wrong . map 0xfffffffffffff000 0x1000 read
check "what is no number" wrong "EINVAL.*number" map 0xfoo 0x1000 read
check "a number of 65 bits" wrong "EINVAL.*number" map 0x10000000000000000 0x1000 read
check "an access that there is not" wrong EINVAL map 0x1000 0x1000 execute
check "a mapping" tell map 0x1000 0x3000 read-write
check "a second one in it" wrong EBUSY map 0x2000 0x1000 read
check "more than is mapped" wrong ENOENT unmap 0x1000 0x4000
check "the middle of it is unmapped" says "unmapped 0x1000 bytes" unmap 0x2000 0x1000
check "what is left leads to the buffer" says "buffer + 0x2abc" lookup 0x3abc
check "what is gone leads nowhere" says "not mapped" lookup 0x2000
check "nor does what never was" says "not mapped" lookup 0x7000
check "too many rounds" wrong EINVAL stress 10000000000
check "no rounds" wrong EINVAL stress 0
# With holes in what it mapped.
check "the device goes back" says detached detach
check "the consumer unloads while it maps" sh -c \
	"echo dma-map read >$DMATEST/command && echo attach >$DMATEST/command && \
	echo map 0x1000 0x1000 read >$DMATEST/command && rmmod rust_iommu_dmatest"
check "and loads again" load rust_iommu_dmatest
