#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The last script of every machine on the debug kernel: all of ours is unloaded, and
# nothing that was ever allocated is left without somebody who knows where it is.

. /lib.sh
. /devices.sh
. /pages.sh
begin

kmemleak=/sys/kernel/debug/kmemleak

# let_go: takes the drivers off all functions, and ends our modules.
let_go() {
	[ ! -d /sys/module/rust_iommu_dmatest ] || rmmod rust_iommu_dmatest || return
	# Not always dmar0: a unit that is listed may be absent.
	for detach in /sys/class/iommu/dmar*/detach; do
		[ ! -e "$detach" ] || { let_all_go && echo 1 >"$detach"; } || return
	done
	for module in rust_vtd rust_iommu; do
		[ ! -d "/sys/module/$module" ] || rmmod "$module" || return
	done
}

# scan: kmemleak leaves out what is younger than five seconds, and what it has seen
# once may have been in a register.
scan() {
	echo scan >"$kmemleak" && sleep 6 && echo scan >"$kmemleak" && cat "$kmemleak"
}

# The kernel's own driver keeps its tables.
ours=$(ls -d /sys/module/rust_vtd 2>/dev/null)
check "all is let go" let_go
[ -z "$ours" ] || equal "no page of a table is left" 0 "$(table_pages)"
scan >/tmp/leaks
equal "nothing has leaked" "" "$(cat /tmp/leaks)"
