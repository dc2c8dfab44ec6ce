# SPDX-License-Identifier: GPL-2.0
#
# For scripts that move data: random, the same for all scripts of a machine, as
# making it takes an emulated CPU as long as moving it.

# data MIB: the path of a file of that size; its SHA-256 is in the same with .sum.
data() {
	DATA=/tmp/data.$1
	if [ ! -e "$DATA.sum" ]; then
		pattern "$1" >"$DATA" && sha256sum <"$DATA" >"$DATA.sum" || return
	fi
	echo "$DATA"
}

# write_and_read DISK MIB: both with direct I/O; fails unless all comes back.
write_and_read() {
	DATA=$(data "$2") || return
	dd if="$DATA" of="$1" bs=1M oflag=direct || return
	dd if="$1" bs=1M count="$2" iflag=direct | sha256sum >/tmp/read.sum
	cat "$DATA.sum" /tmp/read.sum
	cmp -s "$DATA.sum" /tmp/read.sum
}
