# SPDX-License-Identifier: GPL-2.0
#
# Loading must fail, and the machine boots all the same. (What the console has shown is
# for the host to look at.)

check "the system is up, and a unit has failed" ended degraded
check "which is ours, alone" sh -c '
	systemctl --failed --no-legend --plain | tee /tmp/failed
	[ "$(cut -d" " -f1 /tmp/failed)" = rust-iommu.service ]'
check "its journal says why" sh -c 'journalctl --boot --unit=rust-iommu.service | tee /dev/stderr | grep "rust_vtd:"'
check "the log of the kernel has it as an error" sh -c '
	journalctl --boot --dmesg --priority=err | tee /dev/stderr | grep "rust-iommu:"'
check "and the reason of the driver" sh -c 'journalctl --boot --dmesg | grep "boot with intel_iommu=off intremap=off"'
rm /etc/default/grub.d/zz-refuse.cfg
