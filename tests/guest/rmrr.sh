#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Firmware has the test device, and $SECOND, use memory at $RESERVED: what they
# write there arrives at every moment, while our modules load, and while their
# driver goes and comes. The driver is pci_stub, which leaves the registers to us.
# A device that is removed does not reach the memory any more. A driver that binds
# in the middle of a detach has it refused, and nothing changes.

. /lib.sh
. /devices.sh
. /data.sh
. /registers.sh
begin

WRITER=/sys/module/testdev_writer/parameters

# writes: how many there were so far.
writes() { cat $WRITER/writes; }

# some_more NAME [COUNT]: there were COUNT writes since WRITES was set, or soon are.
some_more() {
	BEFORE=$WRITES
	check "$1" wait_for 20 sh -c "[ \$(cat $WRITER/writes) -ge $((WRITES + ${2:-100})) ]"
	WRITES=$(writes)
	diag "$((WRITES - BEFORE)) writes"
	equal "and every one has arrived" 0 "$(cat $WRITER/failures)"
}

check "the test device decodes its registers" testdev_open
FIRST=$TESTDEV FIRST_BAR=$BAR
TESTDEV=$SECOND
check "so does the second" testdev_open
SECOND_BAR=$BAR
TESTDEV=$FIRST
check "it has a driver" load pci_stub ids=1b36:0005
equal "which is pci-stub" pci-stub "$(basename "$(driver_of "$TESTDEV")")"
check "it writes all the time from now on" load testdev_writer device="$TESTDEV" iova=$((RESERVED))
WRITES=$(writes)
some_more "DMA arrives without an IOMMU"

check "rust_iommu loads" load rust_iommu
WRITES=$(writes)
check "rust_vtd loads" load rust_vtd
# All of them while insmod ran.
some_more "DMA arrived while it loaded" 0
equal "of reserved memory, what is System RAM is named" \
	"$(printf 'rust_vtd: DMAR table: 0x%x to 0x%x, which devices may use' \
	"$IN_RAM" $((IN_RAM + 0xfff)))" \
	"$(dmesg | grep -o 'rust_vtd: DMAR table: .*, which devices may use')"
equal "the group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$TESTDEV")"
equal "the driver has come back" pci-stub "$(basename "$(driver_of "$TESTDEV")")"
check "the memory is one of the reserved regions" \
	grep "$(printf '0x%016x 0x%016x direct' "$RESERVED" $((RESERVED + 0xffff)))" \
	"$(group_of "$TESTDEV")/reserved_regions"

for round in 1 2 3 4 5; do
	check "the driver is taken off ($round)" unbind "$TESTDEV"
	some_more "DMA arrives without a driver"
	check "and bound again ($round)" bind "$TESTDEV" pci-stub
	some_more "DMA arrives with it"
done

# The disk shows that the unit translates by now.
load nvme
check "a disk works beside it" wait_for 20 has_disk "$DISK"
check "1 MiB comes back" write_and_read "$(disk_of "$DISK")" 1
some_more "DMA arrived meanwhile"
check "all drivers are taken off" let_all_go_but_ports
check "the unit is detached" sh -c "echo 1 >/sys/class/iommu/dmar0/detach"
check "rust_vtd is unloaded" rmmod rust_vtd
some_more "DMA arrived until then, and does without it"
check "the writer ends" rmmod testdev_writer

# first, second COMMAND...: with the registers of that device.
first() { TESTDEV=$FIRST BAR=$FIRST_BAR; "$@"; }
second() { TESTDEV=$SECOND BAR=$SECOND_BAR; "$@"; }

# arrives: a write to the reserved memory does, and what is there then is of the device.
arrives() {
	devmem $((RESERVED)) 32 0 && testdev_aim $((RESERVED)) $((RESERVED)) || return
	[ "$(testdev_write)" = 0x00000000 ] && [ "$(devmem $((RESERVED)) 32)" = 0x12345678 ]
}

# cut_off: it has no context entry.
cut_off() { refused_at "$(printf '0x%x' $((RESERVED)))" 0x02; }

check "rust_vtd is loaded again" load rust_vtd
equal "the second device has no driver" "" "$(driver_of "$SECOND")"
check "but may do DMA" set_master "$SECOND"
check "and what it writes arrives" second arrives
check "it is removed" sh -c "echo 1 >/sys/bus/pci/devices/$SECOND/remove"
check "what it writes is refused: it has no entry" second cut_off
check "the first device goes on" first arrives
check "the second comes back" sh -c "echo 1 >/sys/bus/pci/rescan"
check "with its driver" wait_for 5 driver_of "$SECOND"
check "it may do DMA" set_master "$SECOND"
# Its registers may be elsewhere now.
read -r SECOND_BAR _ <"/sys/bus/pci/devices/$SECOND/resource"
check "and what it writes arrives again" second arrives

check "all drivers are taken off" let_all_go_but_ports
check "the first may do DMA" set_master "$FIRST"
check "so may the second" set_master "$SECOND"
check "a driver binds while the unit is detached" load bind_late device="$SECOND"
check "which is refused, then" sh -c "! echo 1 >/sys/class/iommu/dmar0/detach"
check "the log says why" sh -c \
	"dmesg | tail -n 20 | grep '$SECOND: its unit cannot be detached: it is bound to driver pci-stub'"
check "the devices still have their groups" group_of "$FIRST"
check "what the first writes arrives" first arrives
check "what the second writes arrives" second arrives
check "the cause goes" rmmod bind_late
check "and the driver" unbind "$SECOND"
check "now the unit is detached" sh -c "echo 1 >/sys/class/iommu/dmar0/detach"
check "what the first writes arrives" first arrives
check "what the second writes arrives" second arrives
check "rust_vtd is unloaded again" rmmod rust_vtd
