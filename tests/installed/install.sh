# SPDX-License-Identifier: GPL-2.0
#
# The first boot: a Debian that knows nothing of us gets the packages.

check "the system is up, and no unit has failed" ended running
check "nothing of ours is there" untouched
iommu_state >"$state/iommu"
file_list >"$state/files"

# As DKMS makes it.
if [ "$KEY" = 1 ]; then
	make_key() {
		mkdir -p /var/lib/dkms && openssl req -new -x509 -nodes -days 36500 -subj /CN=test \
			-newkey rsa:2048 -keyout /var/lib/dkms/mok.key -outform DER -out /var/lib/dkms/mok.pub
	}
	check "the machine gets a key of its own" make_key
fi
check "apt installs the packages" sh -c \
	'apt-get install -y "$payload"/*.deb >"$state/apt" 2>&1 || { tail -n 40 "$state/apt"; false; }'
if [ "$KEY" = 1 ]; then
	check "the modules are signed with the machine's key" sh -c \
		"modinfo -F sig_key rust_vtd | grep . && modinfo -F signer rust_vtd | grep -x test"
else
	check "the package says what to do without a key" grep 'not signed: this machine has no key' "$state/apt"
fi
check "nothing is loaded by that" untouched
check "and nothing would be after a reboot" not grep rust_iommu /boot/grub/grub.cfg
check "rust-iommu enable" rust-iommu enable
