# SPDX-License-Identifier: GPL-2.0
#
# The packages go. The next boot is to be as the first one was.

check "apt removes the packages" sh -c '
	apt-get purge -y rust-iommu "rust-iommu-modules-$(uname -r)" >"$state/apt" 2>&1 ||
	{ tail -n 40 "$state/apt"; false; }'
left_over() { file_list | diff "$state/files" -; }
check "no file of theirs stays, and none is missing" left_over
check "the next boot has none of our words" not grep -E 'rust_iommu|intel_iommu' /boot/grub/grub.cfg
