# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The userland layer, and the host tool that makes it.

# The packages for the target, one per line.
userland_packages() {
	local list
	for list in packages "packages.$ARCH"; do
		[ ! -e "$TOOLS/env.d/$list" ] || sed 's/[[:space:]]*#.*//; /^$/d' "$TOOLS/env.d/$list"
	done
}

userland_layer() {
	printf 'userland-%s\n' "$(key "$DEBIAN_SUITE" "$(debian_arch)" \
		"$(userland_packages)" "$TOOLS/env.d/make-userland")"
}

# mmdebstrap is the only tool the host must have that it may lack.
need_mmdebstrap() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v mmdebstrap >/dev/null && [ -e "$keyring" ] && return 0
	command -v apt-get >/dev/null ||
		die "mmdebstrap and debian-archive-keyring are needed to make a Debian userland" \
			"Install both with this system's package manager, then run the command again."
	step "installing mmdebstrap on this host" '^(Unpacking|Setting up)' \
		"$CACHE/logs/mmdebstrap.log" bash -ec '
			apt-get update
			DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
				mmdebstrap debian-archive-keyring' </dev/null ||
		die "could not install mmdebstrap and debian-archive-keyring" \
			"Install both by hand, then run the command again."
}

make_userland() { # LABEL
	local layer architectures
	layer=$(userland_layer)
	if have_layer "$layer"; then return 0; fi
	need_namespaces
	need_mmdebstrap
	architectures=amd64
	[ "$(debian_arch)" = amd64 ] || architectures+=",$(debian_arch)"
	# pdeathsig: if tools/env is killed, nothing goes on filling the folder.
	make_layer "$layer" "$1 Debian $DEBIAN_SUITE userland (packages set up)" '^Setting up' \
		setpriv --pdeathsig KILL \
		unshare --mount --propagation private --pid --kill-child --fork --mount-proc \
		"$TOOLS/env.d/make-userland" "$DEBIAN_SUITE" "$architectures" \
		"$(userland_packages | tr '\n' ' ')"
}

# RUST_IOMMU_HOST=1: nothing is made, so say at once what is missing.
check_host() {
	local tool missing=()
	for tool in rustc bindgen clang ld.lld gcc make flex bison bc pahole depmod cargo \
		python3 qemu-system-x86_64 busybox; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	[ "${#missing[@]}" -eq 0 ] ||
		die "RUST_IOMMU_HOST=1, but this host has no ${missing[*]}" \
			"Install the packages of tools/env.d/packages, those marked @backports from" \
			"the backports suite, or leave RUST_IOMMU_HOST unset."
}
