# SPDX-License-Identifier: GPL-2.0
#
# For scripts that have allocations fail, on the debug kernel
# (Documentation/fault-injection/fault-injection.rst of the kernel): of slab caches
# and of pages, of any kind, if code of a module is among the callers. The rest of
# the kernel is not on trial.

# The most allocations that an operation is believed to make.
FAILING_MOST=2000
# So many that fail with the same words are taken for the same thing made over and over.
FAILING_ALIKE=40

# failing_ready: sets up what fails; nothing does yet.
failing_ready() {
	# What kmemleak allocates to note an allocation is no allocation of ours.
	# shellcheck disable=SC2046 # two lines, one word each
	set -- $(grep -A1 ' t __alloc_object$' /proc/kallsyms | cut -d' ' -f1)
	[ $# -eq 2 ] || { echo "where does kmemleak allocate?"; return 1; }
	for FAILING_KIND in failslab fail_page_alloc; do
		FAILING=/sys/kernel/debug/$FAILING_KIND
		echo N >"$FAILING/ignore-gfp-wait" || return
		# A line, without the callers: those would look like a complaint.
		echo 1 >"$FAILING/verbose"
		echo 32 >"$FAILING/stacktrace-depth"
		# Where x86 has modules, up to the end.
		echo 0xffffffffa0000000 >"$FAILING/require-start"
		echo 0xffffffffff000000 >"$FAILING/require-end"
		echo "0x$1" >"$FAILING/reject-start"
		echo "0x$2" >"$FAILING/reject-end"
	done
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
}

# none_failed: nothing was made to fail since failing_starts. (Each kind counts down.)
failing_starts() {
	echo 1000 >/sys/kernel/debug/failslab/times
	echo 1000 >/sys/kernel/debug/fail_page_alloc/times
}
none_failed() {
	[ "$(cat /sys/kernel/debug/failslab/times /sys/kernel/debug/fail_page_alloc/times)" = "1000
1000" ]
}

# with_failure N COMMAND...: COMMAND, in this shell, with its Nth allocation failing.
# Only a builtin is this shell: for a program see failing_program.
with_failure() {
	FAILING_NTH=$1
	shift
	FAILING_STATUS=0
	echo "$FAILING_NTH" >/proc/self/fail-nth
	"$@" || FAILING_STATUS=$?
	echo 0 >/proc/self/fail-nth
	return "$FAILING_STATUS"
}

# failing_program N COMMAND...: a program, with its Nth allocation failing.
failing_program() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	sh -c 'echo "$1" >/proc/self/fail-nth && shift && exec "$@"' sh "$@"
}

# sweep_said: the kernel's words since it was asked last.
sweep_said() { dmesg -c | sed 's/^\[[^]]*\] //'; }

# sweep NAME WITH OPERATION UNDO UNCHANGED: runs OPERATION by WITH (with_failure or
# failing_program), with its first allocation failing, then its second, and so on until
# none did. UNDO follows where it worked all the same, and UNCHANGED must be true after
# each. The last three are words of a command each.
#
# The kernel makes 256 pieces of the window of MSIs, one by one, for every domain. So
# where $FAILING_ALIKE in a row came to the same words, only each $FAILING_ALIKEth is
# tried, until the words are others: then those before it that were left out.
sweep() {
	SWEEP_NAME=$1 SWEEP_WITH=$2 SWEEP_OPERATION=$3 SWEEP_UNDO=$4 SWEEP_UNCHANGED=$5
	SWEEP_NTH=0 SWEEP_TRIED=0 SWEEP_FAILED=0 SWEEP_PROBLEM="too many allocations"
	SWEEP_STEP=1 SWEEP_ALIKE=0 SWEEP_BEFORE=
	sweep_said >/dev/null
	while [ "$SWEEP_NTH" -lt "$FAILING_MOST" ]; do
		SWEEP_NTH=$((SWEEP_NTH + SWEEP_STEP)) SWEEP_TRIED=$((SWEEP_TRIED + 1))
		SWEEP_PROBLEM=
		failing_starts
		# shellcheck disable=SC2086 # words
		if "$SWEEP_WITH" "$SWEEP_NTH" $SWEEP_OPERATION >/tmp/sweep 2>&1; then
			SWEEP_WORKED=yes
			$SWEEP_UNDO >>/tmp/sweep 2>&1 || SWEEP_PROBLEM="cannot be undone"
		else
			SWEEP_WORKED=no SWEEP_FAILED=$((SWEEP_FAILED + 1))
		fi
		SWEEP_INJECTED=yes
		! none_failed || SWEEP_INJECTED=no
		$SWEEP_UNCHANGED >>/tmp/sweep 2>&1 || SWEEP_PROBLEM="something has changed"
		SWEEP_SAID=$(sweep_said)
		[ -z "$SWEEP_PROBLEM" ] || break
		if [ "$SWEEP_INJECTED" = yes ] && [ "$SWEEP_SAID" = "$SWEEP_BEFORE" ]; then
			SWEEP_ALIKE=$((SWEEP_ALIKE + 1))
			[ "$SWEEP_ALIKE" -lt "$FAILING_ALIKE" ] || SWEEP_STEP=$FAILING_ALIKE
		elif [ "$SWEEP_STEP" -gt 1 ]; then
			SWEEP_NTH=$((SWEEP_NTH - SWEEP_STEP)) SWEEP_STEP=1 SWEEP_ALIKE=0
			continue
		else
			SWEEP_ALIKE=0
		fi
		SWEEP_BEFORE=$SWEEP_SAID
		[ "$SWEEP_INJECTED" = yes ] || break
		SWEEP_PROBLEM="too many allocations"
	done
	diag "$SWEEP_NAME: $((SWEEP_NTH - 1)) allocations, $SWEEP_TRIED tried; it failed $SWEEP_FAILED times"
	if [ -n "$SWEEP_PROBLEM" ] || [ "$SWEEP_WORKED" = no ]; then
		diag "allocation $SWEEP_NTH: worked: $SWEEP_WORKED; ${SWEEP_PROBLEM:-none had failed}"
		while IFS= read -r SWEEP_LINE; do diag "$SWEEP_LINE"; done </tmp/sweep
		echo "$SWEEP_SAID" | tail -n 20 | while IFS= read -r SWEEP_LINE; do diag "$SWEEP_LINE"; done
		not_ok "$SWEEP_NAME"
		return 1
	fi
	ok "$SWEEP_NAME"
}
