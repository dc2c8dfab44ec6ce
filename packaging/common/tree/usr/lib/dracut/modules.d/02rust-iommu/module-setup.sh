#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For dracut: the modules, and what loads them before udev.

check() {
	# shellcheck disable=SC2154 # dracut's variable
	[[ -e $dracutsysrootdir/usr/lib/modules/$kernel/updates/rust-iommu/rust_vtd.ko ]]
}

installkernel() {
	hostonly='' instmods rust_iommu rust_vtd
}

install() {
	inst_script /usr/lib/rust-iommu/load
	# shellcheck disable=SC2154
	inst_hook pre-udev 00 "$moddir/rust-iommu.sh"
}
