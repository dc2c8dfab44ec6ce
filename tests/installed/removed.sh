# SPDX-License-Identifier: GPL-2.0
#
# After the packages are gone.

check "the system is up, and no unit has failed" ended running
check "nothing of ours is there" untouched
without_us() {
	lsinitramfs "/boot/initrd.img-$(uname -r)" >/tmp/files && grep -q init-top /tmp/files &&
		! grep -E 'rust[-_](iommu|vtd)' /tmp/files
}
check "the initramfs is without us" without_us
same_iommu() { iommu_state | diff "$state/iommu" -; }
check "the IOMMU is as it was at first" same_iommu
