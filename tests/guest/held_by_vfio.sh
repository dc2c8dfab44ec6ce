#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# rust_vtd is loaded while user space holds a device through VFIO: it refuses. An IOMMU that does
# nothing gives the device its group: without one VFIO gives a device to nobody. That one stays:
# nothing can come after this script.

. /lib.sh
. /devices.sh
. /drivers.sh
begin

[ -d /sys/module/rust_iommu ] || check "rust_iommu loads" load rust_iommu
check "an IOMMU that does nothing loads" load rust_iommu_floor
check "VFIO loads" load vfio_iommu_type1 allow_unsafe_interrupts=1
check "and its driver for PCI" load vfio_pci ids=1b36:0005 disable_idle_d3=1
equal "which has the device" vfio-pci "$(basename "$(driver_of "$TESTDEV")")"
group=$(basename "$(group_of "$TESTDEV")")
mkfifo /tmp/held
vfio_hold "/dev/vfio/$group" "$TESTDEV" >/tmp/held &
holder=$!
read -r held </tmp/held
equal "user space holds it" held "$held"

drivers >/tmp/before
check "rust_vtd refuses, and says who has it" refuses_saying \
	"$TESTDEV: its driver cannot be released: it serves vfio0, which is user space's (VFIO)"
drivers >/tmp/after
check "every driver has stayed" diff /tmp/before /tmp/after
check "nothing of it is left" nothing_left floor
check "the holder is still there" kill -0 $holder
kill $holder
wait $holder
true
