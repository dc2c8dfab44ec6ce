#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The chain itself: the stock kernel boots as declared, a disk keeps what was
# written to it, and the host can be asked for things. Needs no module of ours.

. /lib.sh
begin 5

release=$(uname -r)
diag "kernel $release"
equal "the kernel is the stock kernel" "$RELEASE" "$release"
equal "all CPUs are up" "$CPUS" "$(grep -c ^processor /proc/cpuinfo)"
check "no IOMMU driver is active" test -z "$(ls /sys/class/iommu)"

wait_for 10 test -b /dev/nvme0n1
check "4 MiB written to the NVMe disk come back" round_trip /dev/nvme0n1 4

check "the host answers" mark end
record pages_written 1024
