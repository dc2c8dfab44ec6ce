# SPDX-License-Identifier: GPL-2.0
#
# After the packages are gone.

check "the system is up, and no unit has failed" ended running
check "nothing of ours is there" untouched
check "the initramfs is without us" sh -c '
	lsinitramfs "/boot/initrd.img-$(uname -r)" >/tmp/files && ! grep -E 'rust[-_](iommu|vtd)' /tmp/files && grep -q init-top /tmp/files'
same_iommu() { iommu_state | diff "$state/iommu" -; }
check "the IOMMU is as it was at first" same_iommu
