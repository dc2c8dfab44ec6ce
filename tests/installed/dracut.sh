# SPDX-License-Identifier: GPL-2.0
#
# The next boot has an initramfs made by dracut.

check "dracut makes an initramfs" sh -c '
	dracut --force --hostonly --no-hostonly-cmdline "/boot/initrd.img-$(uname -r)" "$(uname -r)" >"$state/dracut" 2>&1 ||
	{ tail -n 40 "$state/dracut"; false; }'
