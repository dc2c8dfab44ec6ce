# SPDX-License-Identifier: GPL-2.0
#
# For scripts that drive rust_iommu_dmatest.ko (samples/dmatest): have QEMU's
# iommu-testdev at $TESTDEV write to addresses, and see what came of it.

DMATEST=/sys/kernel/debug/rust_iommu_dmatest/$TESTDEV

# at FUNCTION COMMAND...: COMMAND is about the test device there.
at() {
	TESTDEV=$1 DMATEST=/sys/kernel/debug/rust_iommu_dmatest/$1
	shift
	"$@"
}

# tell COMMAND...: runs a command of the driver, prints what it says, and fails
# as the command does.
tell() {
	DMATEST_STATUS=0
	echo "$*" 2>/dev/null >"$DMATEST/command" || DMATEST_STATUS=$?
	cat "$DMATEST/result"
	return "$DMATEST_STATUS"
}

# says EXPECTED COMMAND...: passes if the driver says just that.
says() {
	DMATEST_EXPECTED=$1
	shift
	DMATEST_SAID=$(tell "$@")
	[ "$DMATEST_SAID" = "$DMATEST_EXPECTED" ] && return
	echo "expected '$DMATEST_EXPECTED'"
	echo "     got '$DMATEST_SAID'"
	return 1
}

# arrives IOVA [OFFSET]: a write there reaches the buffer (at OFFSET).
arrives() { says "accepted, buffer + ${2:-0x0} written" write "$1"; }

# faults_at IOVA: how many faults of a write there our driver has reported.
faults_at() {
	dmesg | grep -c "fault: $TESTDEV (requester ${TESTDEV#*:}), write at IOVA $1: .*(code 0x05)"
}

# one_more_fault IOVA COUNT
one_more_fault() { [ "$(faults_at "$1")" -eq $(($2 + 1)) ]; }

# refused IOVA: a write there changes nothing, and is reported: in these words if
# the driver is ours. The host compares all FAULT lines with what QEMU saw.
refused() {
	DMATEST_BEFORE=$(faults_at "$1")
	says "refused, buffer unchanged" write "$1" || return
	diag "FAULT ${TESTDEV#*:} $1 write 0x05"
	[ "$DRIVER" = ours ] || return 0
	wait_for 5 one_more_fault "$1" "$DMATEST_BEFORE" && return
	dmesg | tail -n 20
	return 1
}

# arrives_or_refused IOVA: for the time between an unmap and the flush of the
# lazy mode. Either is right, but a refused write must leave the buffer alone.
arrives_or_refused() {
	case $(tell write "$1") in
	"accepted, buffer + 0x0 written") diag "still arrives before the flush" ;;
	"refused, buffer unchanged") diag "FAULT ${TESTDEV#*:} $1 write 0x05" ;;
	*)
		cat "$DMATEST/result"
		return 1 ;;
	esac
}
