# SPDX-License-Identifier: GPL-2.0
#
# The boot after `rust-iommu enable`: every device is translated.

check "the system is up, and no unit has failed" ended running
check "the kernel was told, by GRUB" told rust_iommu=on intel_iommu=off intremap=off
check "rust-iommu.service is content" systemctl is-active rust-iommu.service
check "the driver was loaded before the drivers of disks" before_disks
check "all groups are translated" translated
check "rust-iommu status says so" sh -c 'rust-iommu status | grep "^loaded; units: dmar0"'
check "udev came after" not ls /run/rust-iommu/failed
check "files are written and synced" sh -c '
	dd if=/dev/urandom of="$state/data" bs=1M count=64 conv=fsync 2>/dev/null &&
	sha256sum "$state/data" >"$state/data.sum" &&
	sync'
