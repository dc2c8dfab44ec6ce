# SPDX-License-Identifier: GPL-2.0
#
# For scripts that count what tables take.

# table_pages: how many pages the tables of all IOMMUs have.
table_pages() {
	# Counters of each CPU are added up now.
	cat /proc/sys/vm/stat_refresh
	sed -n 's/^nr_iommu_pages //p' /proc/vmstat
}
