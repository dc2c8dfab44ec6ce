# SPDX-License-Identifier: GPL-2.0
#
# For scripts that look at PCI devices, their groups and their drivers.

# pci_functions: the addresses of all of them.
pci_functions() { ls /sys/bus/pci/devices; }

# group_of FUNCTION: the folder of its group; fails if it has none.
group_of() { readlink -f "/sys/bus/pci/devices/$1/iommu_group" | grep /iommu_groups/; }

# group_type FUNCTION: DMA, DMA-FQ, identity, blocked...
group_type() { cat "$(group_of "$1")/type"; }

# driver_of FUNCTION: the folder of its driver; fails if none is bound.
driver_of() { readlink -f "/sys/bus/pci/devices/$1/driver" | grep /drivers/; }

# unbind FUNCTION, bind FUNCTION DRIVER
unbind() { echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"; }
bind() { echo "$1" >"/sys/bus/pci/drivers/$2/bind"; }

# let_all_go: takes the driver off every function that has one.
let_all_go() {
	for function in $(pci_functions); do
		driver_of "$function" >/dev/null || continue
		unbind "$function" || return
	done
}

# let_all_go_but_ports: those whose driver must be taken off before a unit is detached.
let_all_go_but_ports() {
	for function in $(pci_functions); do
		case $(basename "$(driver_of "$function")") in
		'' | pcieport) ;;
		*) unbind "$function" || return ;;
		esac
	done
}

# disk_of FUNCTION: the disk behind it; fails if there is none.
disk_of() {
	for disk in /sys/block/*; do
		case $(readlink -f "$disk") in
		*/"$1"/*) echo "/dev/${disk##*/}"; return 0 ;;
		esac
	done
	echo "no disk behind $1" >&2
	return 1
}

# interface_of FUNCTION: the network interface behind it.
interface_of() { ls "/sys/bus/pci/devices/$1/net" 2>/dev/null; }

# has_disk FUNCTION
has_disk() { disk_of "$1" >/dev/null 2>&1; }

# few_pages FUNCTION DISK: the disk's requests have eight pages at most, if it is at an
# AHCI controller. QEMU's aborts a command ("failed command", "ABRT") whose list of pages
# crosses into a page of its own that is elsewhere. The kernel puts the lists 0xb00 bytes
# apart and begins the first one at 0x580 of a page, so that eight entries of 16 bytes
# always fit before the page ends.
few_pages() {
	case $(driver_of "$1") in
	*/ahci) echo 32 >"/sys/block/${2#/dev/}/queue/max_sectors_kb" ;;
	esac
}
