# SPDX-License-Identifier: GPL-2.0
#
# Another boot: what was written is there.

check "the system is up, and no unit has failed" ended running
check "the driver was loaded before the drivers of disks" before_disks
check "all groups are translated" translated
check "the files are as they were written" sha256sum --check --quiet "$state/data.sum"
