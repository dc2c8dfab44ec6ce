#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Firmware has the test device use memory at $RESERVED: what it writes there
# arrives at every moment, while our modules load, and while its driver goes and
# comes. The driver is pci_stub, which leaves the registers to us.

. /lib.sh
. /devices.sh
. /data.sh
. /registers.sh
begin

# beats: how many writes there were so far.
beats() { wc -l </tmp/beats; }

# more_beats: waits for a few more.
more_beats() {
	BEATS=$(($(beats) + 5))
	wait_for 20 sh -c "[ \$(wc -l </tmp/beats) -ge $BEATS ]"
}

# all_arrived: each write since the last call has arrived.
all_arrived() {
	more_beats || return
	sort /tmp/beats | uniq -c
	! grep -qv '^0x00000000$' /tmp/beats
}

check "the test device decodes its registers" testdev_open
check "it is told where to write" testdev_aim "$RESERVED" "$RESERVED"
check "it has a driver" load pci_stub ids=1b36:0005
equal "which is pci-stub" pci-stub "$(basename "$(driver_of "$TESTDEV")")"
while [ ! -e /tmp/stop ]; do testdev_write; done >/tmp/beats 2>&1 &
check "its DMA arrives without an IOMMU" all_arrived

check "rust_iommu loads" load rust_iommu
before=$(beats)
check "rust_vtd loads" load rust_vtd
diag "$(($(beats) - before)) writes while it loaded"
check "DMA arrived while the modules loaded" all_arrived
equal "the group has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$TESTDEV")"
equal "the driver has come back" pci-stub "$(basename "$(driver_of "$TESTDEV")")"
check "the memory is one of the reserved regions" \
	grep "$(printf '0x%016x 0x%016x direct' "$RESERVED" $((RESERVED + 0xffff)))" \
	"$(group_of "$TESTDEV")/reserved_regions"

for round in 1 2 3 4 5; do
	check "the driver is taken off ($round)" unbind "$TESTDEV"
	more_beats
	check "and bound again ($round)" bind "$TESTDEV" pci-stub
done
check "DMA arrived meanwhile" all_arrived

# The disk shows that the unit translates by now.
load nvme
check "a disk works beside it" wait_for 20 has_disk "$DISK"
check "1 MiB comes back" write_and_read "$(disk_of "$DISK")" 1
touch /tmp/stop
wait
diag "$(beats) writes"
check "every write has arrived" sh -c "! grep -v '^0x00000000$' /tmp/beats"
