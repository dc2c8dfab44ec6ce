#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# All CPUs map, translate and unmap in one domain at the same time: single pages
# in a table they share, and whole tables beside each other.

. /lib.sh
. /dmatest.sh
begin

load rust_iommu_dmatest
check "the device enters a domain of its own" says attached attach

# all_cpus ROUNDS
all_cpus() {
	runs=
	for cpu in $(seq 0 $((CPUS - 1))); do
		taskset -c "$cpu" sh -c "echo stress $1 >$DMATEST/command" &
		runs="$runs $!"
	done
	all_cpus_status=0
	for run in $runs; do
		wait "$run" || all_cpus_status=1
	done
	cat "$DMATEST/result"
	return "$all_cpus_status"
}

dmesg -c >/dev/null
check "$ROUNDS rounds on each of $CPUS CPUs, translations verified" all_cpus "$ROUNDS"
# A slice is taken by the first who finds it free.
slices=$(dmesg | grep -o 'stress: .* on slice [0-9]*' | grep -o '[0-9]*$' | sort -n | xargs)
equal "they ran at the same time" "$(seq 0 $((CPUS - 1)) | xargs)" "$slices"
check "nothing is left behind" says "not mapped" lookup 0x40000000
check "the device goes back" says detached detach
