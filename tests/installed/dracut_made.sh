# SPDX-License-Identifier: GPL-2.0

check "the initramfs was dracut's" sh -c 'journalctl --boot --no-pager | grep -m1 "dracut-.*: \|Running in initrd\|initrd-switch-root"'
