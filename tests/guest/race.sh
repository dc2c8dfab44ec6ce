#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How many pages one CPU, and two at the same time, map and unmap in one domain.
# Two machines take turns, so that what else the host does slows both.

. /lib.sh
. /bench.sh
begin

check "the benchmark loads" load rust_iommu_bench

# race CPUS: pages and nanoseconds, added up over the CPUs.
race() {
	runs=
	for cpu in $(seq 0 $(($1 - 1))); do
		taskset -c "$cpu" sh -c "echo race $1 $RACE_MS >$BENCH/command" &
		runs="$runs $!"
	done
	race_status=0
	for run in $runs; do
		wait "$run" || race_status=1
	done
	[ "$race_status" -eq 0 ] && tell raced
}

# races TURN WHERE
races() {
	for cpus in 1 2; do
		raced=$(race "$cpus") || { echo "$raced"; return 1; }
		record "$2.$cpus.$1" "$(echo "$raced" | tr ' ' /)"
	done
}

turn() {
	host turn take </dev/console || return
	turn_status=0
	races "$1" detached && tell attach && races "$1" attached && tell detach || turn_status=1
	host turn give </dev/console || return
	return "$turn_status"
}

for number in $(seq "$TURNS"); do
	check "turn $number" turn "$number"
done
