# SPDX-License-Identifier: GPL-2.0
#
# For scripts that use registers from user space, where no driver has them:
# those of QEMU's iommu-testdev at $TESTDEV.

# testdev_open: the device decodes its registers; sets BAR.
testdev_open() {
	echo 1 >"/sys/bus/pci/devices/$TESTDEV/enable" || return
	read -r BAR _ <"/sys/bus/pci/devices/$TESTDEV/resource"
}

# put REGISTER VALUE, get REGISTER: of the test device.
put() { devmem $((BAR + $1)) 32 "$2"; }
get() { devmem $((BAR + $1)) 32; }

# testdev_aim IOVA PHYSICAL [LENGTH]: where it writes next, and where it looks then.
testdev_aim() {
	put 0x04 $(($1 & 0xffffffff)) && put 0x08 $(($1 >> 32)) &&
		put 0x1c $(($2 & 0xffffffff)) && put 0x20 $(($2 >> 32)) && put 0x0c "${3:-4}"
}

# testdev_write: it writes; prints what it says: 0x00000000 if all has arrived.
testdev_write() {
	put 0x14 1 && get 0x00 >/dev/null && get 0x10
}

# set_master FUNCTION: it may do DMA, and decodes its registers.
set_master() { printf '\006' | dd of="/sys/bus/pci/devices/$1/config" bs=1 seek=4 conv=notrunc; }

# refused_at IOVA [REASON]: a write there is refused. The host compares all FAULT lines
# with what QEMU saw.
refused_at() {
	testdev_aim "$1" "$1"
	REFUSED=$(testdev_write)
	diag "FAULT ${TESTDEV#*:} $1 write ${2:-0x05}"
	[ "$REFUSED" != 0x00000000 ]
}
