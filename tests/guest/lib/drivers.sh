# SPDX-License-Identifier: GPL-2.0
#
# For scripts in which loading rust_vtd must fail, and leave everything as it was. They need the
# program finit_module, which tries once.

# drivers: each PCI function that has a driver, which one, and since when: the number is that of
# the link in sysfs, which is a new one each time the driver binds.
drivers() {
	for function in $(pci_functions); do
		DRIVERS=/sys/bus/pci/devices/$function/driver
		[ ! -e "$DRIVERS" ] ||
			echo "$function $(basename "$(readlink -f "$DRIVERS")") ${1-$(stat -c %i "$DRIVERS")}"
	done
}

# refuses_saying TEXT: rust_vtd does not load, and the log has the text.
refuses_saying() {
	dmesg -c >/dev/null
	if finit_module /modules/rust_vtd.ko; then
		echo "rust_vtd has loaded"
		return 1
	fi
	dmesg
	dmesg | grep -q -F "$1"
}

# nothing_left [GROUPS]: of rust_vtd. With an argument, groups may be there: those of another IOMMU.
nothing_left() {
	for left in /sys/class/iommu/dmar* /sys/kernel/debug/*dmar* /sys/kernel/debug/rust_vtd* \
		/sys/module/rust_vtd; do
		[ ! -e "$left" ] || { echo "$left is left"; return 1; }
	done
	[ -n "${1-}" ] || [ -z "$(ls /sys/kernel/iommu_groups)" ] || { echo "groups are left"; return 1; }
	! grep -E 'dmar[0-9]|rust_vtd' /proc/iomem /proc/interrupts
}

# bind_again FILE: the drivers that `drivers` has printed.
bind_again() {
	while read -r function driver _; do
		driver_of "$function" >/dev/null || bind "$function" "$driver" || return
	done <"$1"
}
