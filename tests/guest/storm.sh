#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Faults that come faster than they are read: $FAULTS from one device at once, and
# two devices while no CPU takes the interrupt, so that the one record of the unit
# overflows. The machine stays usable, the log short, and a fault after all that is
# reported.

. /lib.sh
. /devices.sh
. /data.sh
. /registers.sh
begin

REFUSED=0xDEAD0002
DMATEST=/sys/kernel/debug/rust_iommu_dmatest/$THIRD

# The third device is for its driver: the others are for us.
load rust_iommu_dmatest
unbind "$TESTDEV"
unbind "$SECOND"
SECOND_BAR=$(TESTDEV=$SECOND && testdev_open && echo "$BAR")
testdev_open

# fault_at IOVA [COUNT]: the test device writes where it must not.
fault_at() {
	testdev_aim "$1" "$1" $((4 * ${2:-1})) || return
	[ "$(testdev_write)" = "$REFUSED" ]
}

# reported IOVA: a fault there is in the log.
reported() { dmesg | grep "dmar0: fault: $TESTDEV .*write at IOVA $1: "; }

# fresh_log: empty, and the rate limit of faults is over.
fresh_log() {
	sleep 6
	dmesg -c >/dev/null
}

check "a fault is refused" fault_at 0x10000
check "and reported" wait_for 5 reported 0x10000

fresh_log
start=$(cut -d. -f1 /proc/uptime)
check "$FAULTS faults at once are refused" fault_at 0x40000000 "$FAULTS"
check "the first is reported" wait_for 5 reported 0x40000000
diag "$(($(cut -d. -f1 /proc/uptime) - start)) s; $(dmesg | wc -l) lines"
check "the log is short" test "$(dmesg | wc -l)" -le 20
check "the disk works" write_and_read "$(disk_of "$DISK")" 1

# overflow: two devices fault while CPU 0, which is to read the record, takes no
# interrupt.
overflow() {
	irq=$(sed -n 's/^ *\([0-9]*\):.*dmar0$/\1/p' /proc/interrupts)
	echo 1 >"/proc/irq/$irq/smp_affinity" || return
	# Nothing of ours is left on CPU 0 that this one would have to wait for.
	taskset -p 2 $$ || return
	usleep 200000
	echo hold 4000 | taskset 1 tee "$DMATEST/command" >/dev/null &
	usleep 200000
	taskset 2 sh -c ". /registers.sh; BAR=$BAR; testdev_write; BAR=$SECOND_BAR; testdev_write"
	wait
	wait_for 5 sh -c "dmesg | grep 'dmar0: more faults than the unit can record'"
}

(BAR=$SECOND_BAR && testdev_aim 0x30000 0x30000)
testdev_aim 0x31000 0x31000
fresh_log
check "two devices overflow the record, which is reported" overflow
check "the first of their faults is reported" reported 0x31000
check "the second was not recorded" sh -c "! dmesg | grep 'IOVA 0x30000'"
fresh_log
check "a fault after that is refused" fault_at 0x20000
check "and reported" wait_for 5 reported 0x20000
check "so is one of the other device" sh -c \
	". /registers.sh; BAR=$SECOND_BAR; testdev_aim 0x21000 0x21000; [ \$(testdev_write) = $REFUSED ]"
check "in words" wait_for 5 sh -c "dmesg | grep 'dmar0: fault: $SECOND .*at IOVA 0x21000'"
check "the disk still works" write_and_read "$(disk_of "$DISK")" 1
