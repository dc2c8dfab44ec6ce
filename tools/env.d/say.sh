# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Messages of tools/env: notes, errors, and steps that say how far they are.
# All of it goes to stderr, so that `tools/env path` stays usable in $(...).

note() { printf '%s\n' "tools/env: $*" >&2; }

# die SENTENCE [HINT...]: one line what is wrong, one line each what to do.
die() {
	note "error: $1"
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# The live counter. It watches the step's log for the lines given, and ends by
# itself when the step does (or when tools/env is killed).
ticker() { # LABEL LOG PATTERN
	local label=$1 log=$2 pattern=$3 start=$SECONDS count
	while sleep 1 && kill -0 "$$" 2>/dev/null; do
		count=$(grep -cE "$pattern" "$log" 2>/dev/null) || count=0
		printf '\r\033[K%s ... %d, %ds' "$label" "$count" $((SECONDS - start)) >&2
	done
}

# step LABEL PATTERN LOG CMD...: runs CMD with its output in LOG. PATTERN picks
# the lines that count as progress. On failure the end of the log is shown.
step() {
	local label=$1 pattern=$2 log=$3 start=$SECONDS ticker_pid='' status=0
	shift 3
	: >"$log"
	if [ -t 2 ]; then
		ticker "$label" "$log" "$pattern" &
		ticker_pid=$!
	else
		printf '%s ...\n' "$label" >&2
	fi
	if [ -n "${V-}" ] && [ "$V" != 0 ]; then
		"$@" > >(tee "$log" >&2) 2>&1 || status=$?
	else
		"$@" >"$log" 2>&1 || status=$?
	fi
	if [ -n "$ticker_pid" ]; then
		kill "$ticker_pid" 2>/dev/null || :
		wait "$ticker_pid" 2>/dev/null || :
		printf '\r\033[K' >&2
	fi
	if [ "$status" -ne 0 ]; then
		printf '%s FAILED (exit %d, after %ds); the end of its log:\n' \
			"$label" "$status" $((SECONDS - start)) >&2
		tail -n 25 "$log" | sed 's/^/    /' >&2
		note "whole log: $log"
		return "$status"
	fi
	# What the step wants everybody to read, not only those who open the log.
	sed -n 's/^NOTE: /tools\/env: /p' "$log" >&2
	printf '%s: took %ds\n' "$label" $((SECONDS - start)) >&2
}
