#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A device behind the unit that is no PCI device ($NAMESPACE) is named: its DMA
# passes. So does that of the test device, if firmware calls its requester ID one
# of the ACPI namespace and no PCI device's.

. /lib.sh
. /devices.sh
. /registers.sh
begin

told="dmar0: \\_SB.I2C0 (requester $NAMESPACE) is no PCI device: its DMA passes untranslated"
check "the device of the ACPI namespace is named" sh -c "dmesg | grep -F '$told'"
TESTDEV=0000:$NAMESPACE
[ -e "/sys/bus/pci/devices/$TESTDEV" ] || exit 0

check "no unit has the test device" sh -c "! [ -e /sys/bus/pci/devices/$TESTDEV/iommu_group ]"
check "the test device decodes its registers" testdev_open
check "it may do DMA" set_master "$TESTDEV"
testdev_aim $((RESERVED)) $((RESERVED))
equal "its DMA passes" 0x00000000 "$(testdev_write)"
