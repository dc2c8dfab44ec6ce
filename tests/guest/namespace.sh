#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A device behind the unit that is no PCI device is named: nobody translates for it.

. /lib.sh
begin 1

check "the device of the ACPI namespace is named" \
	sh -c "dmesg | grep -F 'dmar0: \\_SB.I2C0 is no PCI device: its DMA will be refused'"
