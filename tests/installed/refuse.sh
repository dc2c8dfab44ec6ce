# SPDX-License-Identifier: GPL-2.0
#
# The next boot lacks intel_iommu=off, and is as quiet as Debian's default.

cat >/etc/default/grub.d/zz-refuse.cfg <<'CFG'
GRUB_CMDLINE_LINUX_DEFAULT=quiet
GRUB_CMDLINE_LINUX="$(echo "$GRUB_CMDLINE_LINUX" | sed 's/intel_iommu=off/intel_iommu=on/')"
CFG
check "the next boot will lack intel_iommu=off" update-grub
