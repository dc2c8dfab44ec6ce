# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

# fetch_packages NAME=VERSION...: into the current folder. apt checks what it
# got against the signed lists. Lists older than the archive give dead names, so
# a failure is tried once more with fresh ones.
fetch_packages() {
	apt-get --yes download "$@" || {
		apt-get update
		apt-get --yes download "$@"
	}
}
