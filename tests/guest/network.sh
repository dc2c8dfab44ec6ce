#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# $NETWORK_MIB MiB from one network card to the other, and as much the other way.
# The second is in a network namespace of its own: otherwise the kernel would
# never put a packet on the wire.

. /lib.sh
. /devices.sh
. /data.sh
begin

# shellcheck disable=SC2086 # addresses, one word each
set -- $CARDS
check "the cards have drivers" wait_for 10 test -d "/sys/bus/pci/devices/$2/net"
for card; do
	equal "the group of $card has type $GROUP_TYPE" "$GROUP_TYPE" "$(group_type "$card")"
done
near=$(interface_of "$1") far=$(interface_of "$2")

unshare -n sleep 1000 &
holder=$!
far_side=/proc/$holder/ns/net
in_far() { nsenter --net="$far_side" "$@"; }
# The namespace is there once it differs from ours.
wait_for 5 sh -c "[ \$(readlink $far_side) != \$(readlink /proc/self/ns/net) ]"

ip link set "$far" netns "$holder"
ip addr add 10.9.0.1/24 dev "$near"
ip link set "$near" up
in_far ip addr add 10.9.0.2/24 dev "$far"
in_far ip link set "$far" up

data=$(data "$NETWORK_MIB")
mkdir /tmp/www
ln "$data" /tmp/www/data
hash=$(cat "$data.sum")
# Two servers, as each sees only its side.
httpd -f -p 10.9.0.1:80 -h /tmp/www &
near_server=$!
nsenter --net="$far_side" httpd -f -p 10.9.0.2:80 -h /tmp/www &
far_server=$!

check "the cards see each other" wait_for 20 ping -c 1 -W 1 10.9.0.2

fetch() { "$@" | sha256sum; }
equal "$NETWORK_MIB MiB reach $1" "$hash" "$(fetch wget -q -O - http://10.9.0.2/data)"
equal "$NETWORK_MIB MiB reach $2" "$hash" "$(fetch in_far wget -q -O - http://10.9.0.1/data)"

# The cards' own counters (of e1000e: registers), received and sent.
counted() {
	name=$1
	shift
	set -- $("$@" cat /proc/net/dev | sed -n "s/^ *$name://p")
	echo "$name received $1, sent $9 bytes"
	[ "$1" -gt $((NETWORK_MIB << 20)) ] && [ "$9" -gt $((NETWORK_MIB << 20)) ]
}
# Some drivers read them every other second.
check "$near counts more than $NETWORK_MIB MiB each way" wait_for 5 counted "$near" env
check "$far counts more than $NETWORK_MIB MiB each way" wait_for 5 counted "$far" in_far

# Down, as e1000 has the kernel complain when the machine is switched off under it.
ip link set "$near" down
in_far ip link set "$far" down
kill "$near_server" "$far_server" "$holder"
