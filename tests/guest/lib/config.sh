# SPDX-License-Identifier: GPL-2.0
#
# For scripts that look into PCI configuration space.

# config FUNCTION OFFSET BYTES: a number of 2 or 4 bytes.
config() {
	echo $((0x$(od -An -v -t "x$3" -j "$2" -N "$3" "/sys/bus/pci/devices/$1/config" | tr -d ' ')))
}

# set_config FUNCTION OFFSET VALUE: writes 2 bytes.
set_config() {
	# shellcheck disable=SC2059 # the format is made of the two bytes
	printf "$(printf '\\%03o\\%03o' $(($3 & 255)) $(($3 >> 8)))" |
		dd of="/sys/bus/pci/devices/$1/config" bs=2 seek=$(($2 / 2)) conv=notrunc 2>/dev/null
}

# capability FUNCTION ID: where that extended capability is; fails if it is not there.
capability() {
	CONFIG_AT=256
	while [ "$CONFIG_AT" -ne 0 ]; do
		CONFIG_HEADER=$(config "$1" "$CONFIG_AT" 4)
		if [ $((CONFIG_HEADER & 0xffff)) -eq $(($2)) ]; then
			echo "$CONFIG_AT"
			return
		fi
		CONFIG_AT=$((CONFIG_HEADER >> 20))
	done
	echo "$1 has no capability $2" >&2
	return 1
}
