# SPDX-License-Identifier: GPL-2.0
#
# What the scripts of the installed machine share; `check` and its like are those of the
# guests (tests/guest/lib.sh).
. "$payload/guest.sh"

say() { printf '%s%s\n' "$KTAP_INDENT" "$*" >/dev/ttyS1; }

release=$(uname -r)

# ended STATE: systemd has started everything, and that is how it went.
ended() {
	is=$(systemctl is-system-running --wait)
	[ "$is" = "$1" ] && return 0
	echo "the system is $is"
	systemctl --failed --no-legend --plain
	journalctl --boot --priority=err --no-pager --output=cat | tail -n 40
	return 1
}

# No module of ours, and none in the log.
untouched() {
	if grep rust_ /proc/modules || journalctl --boot --dmesg --no-pager | grep -E 'rust_(iommu|vtd):'; then
		return 1
	fi
}

# words LIST...: the kernel was told each of them.
told() {
	for word; do
		grep -qw -- "$word" /proc/cmdline || { cat /proc/cmdline; return 1; }
	done
}

not() { ! "$@"; }

# Every group has a translated domain, and each disk is in one.
translated() {
	cat /sys/kernel/iommu_groups/*/type | grep -vE '^DMA(-FQ)?$' && return 1
	for disk in /sys/class/nvme/*; do
		[ -e "$disk/device/iommu_group/type" ] || { echo "$disk has no group"; return 1; }
	done
}

# The driver had the units before the first disk had its driver.
before_disks() {
	journalctl --boot --dmesg --no-pager --output=cat | grep -nE 'VT-d [0-9.]* unit|nvme nvme|pci function' >/tmp/order
	head -n 1 /tmp/order | grep 'VT-d' && return 0
	cat /tmp/order
	return 1
}

# What there is of an IOMMU, and every file that a package could have left.
iommu_state() {
	ls /sys/class/iommu
	for group in /sys/kernel/iommu_groups/*; do
		[ ! -e "$group/type" ] || echo "${group##*/} $(cat "$group/type") $(echo "$group"/devices/*)"
	done
}
file_list() { find /boot /etc /usr -xdev | sort; }
