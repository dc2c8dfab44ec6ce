# SPDX-License-Identifier: GPL-2.0
#
# For the scripts of a test guest. A script is
#
#	. /lib.sh
#	begin [COUNT]
#	check "what is true" COMMAND...
#
# and the rest is done on exit: the plan, and an exit status that says whether
# all was well. Results go to /dev/kmsg: one write there is one whole line of the
# console, and it stands in order between the kernel's own messages.
#
# The shell is busybox ash.

# say LINE: a line of the results, as it is.
say() { echo "<5>$KTAP_INDENT$*" >/dev/kmsg; }

# diag TEXT: a remark to the next result.
diag() { say "# $*"; }

# begin [COUNT]: opens the script's results; COUNT, if known, becomes the plan.
begin() {
	KTAP_INDENT='  ' KTAP_COUNT=0 KTAP_FAILED=0 KTAP_PLAN=$1
	say "KTAP version 1"
	[ -z "$KTAP_PLAN" ] || say "1..$KTAP_PLAN"
	trap finish EXIT
}

finish() {
	KTAP_STATUS=$?
	trap - EXIT
	[ -n "$KTAP_PLAN" ] || say "1..$KTAP_COUNT"
	[ "$KTAP_FAILED" -eq 0 ] || exit 1
	exit "$KTAP_STATUS"
}

ok() {
	KTAP_COUNT=$((KTAP_COUNT + 1))
	say "ok $KTAP_COUNT $*"
}

not_ok() {
	KTAP_COUNT=$((KTAP_COUNT + 1))
	KTAP_FAILED=$((KTAP_FAILED + 1))
	say "not ok $KTAP_COUNT $*"
}

# skip NAME REASON...
skip() {
	KTAP_COUNT=$((KTAP_COUNT + 1))
	KTAP_NAME=$1
	shift
	say "ok $KTAP_COUNT $KTAP_NAME # SKIP $*"
}

# check NAME COMMAND...: passes if COMMAND succeeds; if not, shows what it said.
check() {
	KTAP_NAME=$1
	shift
	KTAP_STATUS=0
	"$@" >/tmp/check.$$ 2>&1 </dev/null || KTAP_STATUS=$?
	if [ "$KTAP_STATUS" -eq 0 ]; then
		ok "$KTAP_NAME"
		return 0
	fi
	diag "'$*' ended with status $KTAP_STATUS"
	while IFS= read -r KTAP_LINE; do diag "$KTAP_LINE"; done </tmp/check.$$
	not_ok "$KTAP_NAME"
	return 1
}

# equal NAME EXPECTED ACTUAL
equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
		return 0
	fi
	diag "expected '$2'"
	diag "     got '$3'"
	not_ok "$1"
	return 1
}

# record NAME VALUE: a value for the host's checks (Evidence.results.stat).
record() { diag "STAT $1 $2"; }

# load NAME [PARAMETERS...]: a module of the guest, and what it needs before.
load() {
	KTAP_MODULE=$(echo "$1" | tr - _)
	shift
	if [ ! -e "/modules/$KTAP_MODULE.ko" ]; then
		echo "$KTAP_MODULE is not in this guest; it has: $(cd /modules && echo *.ko)"
		return 1
	fi
	while read -r KTAP_NEED; do
		[ -d "/sys/module/$KTAP_NEED" ] || insmod "/modules/$KTAP_NEED.ko" || return
	done <"/modules/$KTAP_MODULE.deps"
	[ $# -eq 0 ] && [ -d "/sys/module/$KTAP_MODULE" ] && return 0
	insmod "/modules/$KTAP_MODULE.ko" "$@"
}

# wait_for SECONDS COMMAND...: until COMMAND succeeds; fails when time is up. On a
# kernel that is that many times slower, a second is longer.
wait_for() {
	KTAP_TRIES=$(($1 * 10 * SLOWNESS))
	shift
	while ! "$@" >/dev/null 2>&1; do
		KTAP_TRIES=$((KTAP_TRIES - 1))
		if [ "$KTAP_TRIES" -le 0 ]; then
			echo "still false: $*"
			return 1
		fi
		usleep 100000
	done
}

# host NAME ARGS...: makes the host do NAME (an action of the machine, or one of
# those in tools/guest/actions.py), waits for it, and prints its answer.
host() {
	say "@host $*"
	if ! IFS= read -r -t $((60 * SLOWNESS)) KTAP_ANSWER; then
		echo "the host did not answer '$*'"
		return 1
	fi
	case $KTAP_ANSWER in
	'ok '*) echo "${KTAP_ANSWER#ok }" ;;
	ok) ;;
	*)
		echo "the host, asked to '$*': ${KTAP_ANSWER#error }"
		return 1 ;;
	esac
}

# mark NAME: a point in the emulated IOMMU's trace, for Trace.between() on the host.
mark() { host mark "$1" >/dev/null </dev/console; }

# pattern MIB: that much data which repeats nowhere.
pattern() {
	dd if=/dev/urandom bs=1M count="$1" 2>/dev/null
}

# round_trip DEVICE MIB: writes a pattern with direct I/O, reads it back the same
# way, and compares the hashes.
round_trip() {
	pattern "$2" >/tmp/pattern.$$ || return
	dd if=/tmp/pattern.$$ of="$1" bs=1M oflag=direct || return
	KTAP_WROTE=$(sha256sum </tmp/pattern.$$)
	rm /tmp/pattern.$$
	KTAP_READ=$(dd if="$1" bs=1M count="$2" iflag=direct | sha256sum)
	echo "written $KTAP_WROTE"
	echo "read    $KTAP_READ"
	[ "$KTAP_WROTE" = "$KTAP_READ" ]
}
