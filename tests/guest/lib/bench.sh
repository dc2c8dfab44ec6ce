# SPDX-License-Identifier: GPL-2.0
#
# For scripts that drive rust_iommu_bench.ko (samples/bench).

BENCH=/sys/kernel/debug/rust_iommu_bench/$TESTDEV

# tell COMMAND...: runs a command of the module, prints what it says, and fails
# as the command does.
tell() {
	BENCH_STATUS=0
	echo "$*" 2>/dev/null >"$BENCH/command" || BENCH_STATUS=$?
	cat "$BENCH/result"
	return "$BENCH_STATUS"
}

# measured NAME: times what was chosen; each call is recorded as NAME.CALL, in
# nanoseconds, with how many of it that was for.
measured() {
	tell measure "$ROUNDS" >/tmp/measured || { cat /tmp/measured; return 1; }
	while read -r call time calls; do record "$1.$call" "$time/$calls"; done </tmp/measured
}

# sent NAME: once more, half by half between marks: the host counts what is sent.
sent() {
	mark "$1.begin"
	tell map || return
	mark "$1.map"
	tell unmap || return
	mark "$1.unmap"
}

# measure NAME KIND... COUNT: both.
measure() {
	name=$1
	shift
	for count; do :; done
	check "$name: choose $*" tell "$@" || return
	check "$name: measure" measured "$name"
	record "$name.count" "$count"
	check "$name: what is sent" sent "$name"
}
