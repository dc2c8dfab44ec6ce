# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The kernel layers: the stock packages, the source, and the tree modules are
# built against; those of several kernels stand beside each other. Which version of
# a kernel was really taken is settled first, once, and written down in the cache;
# every later name is made from it.

# The names that KERNEL may have, one a line: those of tools/pins, and debug.
kernel_names() {
	local name
	while read -r name _; do
		[ -z "$name" ] || printf '%s\n' "$name"
	done <<<"$KERNELS"
	echo debug
}

default_kernel() {
	local names
	mapfile -t names < <(kernel_names)
	printf '%s\n' "${names[0]}"
}

is_kernel() { # NAME
	local name
	while read -r name; do
		[ "$name" != "$1" ] || return 0
	done < <(kernel_names)
	return 1
}

# Sets what tools/pins says of KERNEL; for the debug kernel, of its source.
pick_pins() {
	local wanted=$KERNEL name rest=
	[ "$wanted" != debug ] || wanted=$(default_kernel)
	while read -r name KERNEL_VERSION KERNEL_FLAVOUR rest; do
		[ "$name" != "$wanted" ] || break
	done <<<"$KERNELS"
	KERNEL_SERIES=$(cut -d. -f1,2 <<<"${KERNEL_VERSION%%-*}")
	[ -n "$KERNEL_FLAVOUR" ] && [ -z "$rest" ] ||
		die "the line of '$wanted' in tools/pins is not: name version flavour"
}

# Kbuild's and Debian's names for the target.
debian_arch() { case $ARCH in x86_64) echo amd64 ;; arm64) echo arm64 ;; esac; }

kernel_version_file() {
	printf '%s\n' "$CACHE/kernel-version-$(key "$KERNEL_SERIES" "$KERNEL_VERSION" \
		"$KERNEL_FLAVOUR" "$(debian_arch)")"
}

# The Debian version taken, e.g. 7.2.12-1~bpo13+1; fails before it is settled.
kernel_version() { cat -- "$(kernel_version_file)" 2>/dev/null; }

# From 7.2.12-1~bpo13+1 to 7.2.12+deb13-amd64.
kernel_release() {
	local version
	version=$(kernel_version) || return
	printf '%s\n' "${version%%-*}$KERNEL_FLAVOUR-$(debian_arch)"
}

source_layer() {
	local version
	version=$(kernel_version) || return
	printf '%s\n' "kernel-source-${version%%-*}-$(key "$version" "$KERNEL_SERIES" \
		"$TOOLS/env.d/make-kernel-source")"
}

stock_layer() {
	local release
	release=$(kernel_release) || return
	printf '%s\n' "stock-$release-$(key "$(kernel_version)" "$TOOLS/env.d/make-stock")"
}

# Keyed by the compilers as well: the tree holds the metadata of the `kernel`
# crate, which only the very rustc that made it can read.
kbuild_layer() {
	local release
	release=$(kernel_release) || return
	printf '%s\n' "kbuild-$release-$(key "$(userland_layer)" "$(source_layer)" \
		"$(stock_layer)" "$TOOLS/env.d/make-kbuild")"
}

# Runs one of our scripts in the environment; dies with us.
in_environment() {
	setpriv --pdeathsig KILL "$TOOLS/env" enter -- "$@"
}

settle_kernel_version() { # LABEL
	local version
	if ! version=$(kernel_version); then
		open_settling_lock
		step "$1 stock kernel version" '^(Get|Hit)' "$CACHE/logs/kernel-version.log" \
			in_environment "$TOOLS/env.d/pick-kernel" "$KERNEL_SERIES" \
			"$KERNEL_VERSION" "$KERNEL_FLAVOUR" "$(debian_arch)" \
			"$(kernel_version_file)" 9>&- ||
			die "no linux-binary-$KERNEL_SERIES.* package of ${KERNEL_FLAVOUR#+} could be found" \
				"Is the network there? Then choose other pins in tools/pins."
		exec 9>&-
		version=$(kernel_version)
	fi
	[ "$version" = "$KERNEL_VERSION" ] || note \
		"NOTICE: the pinned kernel $KERNEL_VERSION has left the archive; using $version instead." \
		"Update the version in tools/pins, or results will not be comparable."
}

open_settling_lock() {
	exec 9>"$CACHE/locks/kernel-version"
	flock 9
}

make_kernel_layers() { # FIRST-STEP STEPS
	local first=$1 steps=$2 release
	settle_kernel_version "[$first/$steps]"
	release=$(kernel_release)
	make_layer "$(stock_layer)" "[$((first + 1))/$steps] stock kernel $release (packages)" \
		'^(Get:|unpacked)' in_environment "$TOOLS/env.d/make-stock" \
		"$(kernel_version)" "$release" "$(debian_arch)"
	make_layer "$(source_layer)" "[$((first + 2))/$steps] kernel source $(kernel_version) (files)" \
		'^linux-' in_environment "$TOOLS/env.d/make-kernel-source" \
		"$(kernel_version)" "$KERNEL_SERIES"
	make_layer "$(kbuild_layer)" "[$((first + 3))/$steps] module tree for $release (objects)" \
		'^  [A-Z]+ ' in_environment "$TOOLS/env.d/make-kbuild" \
		"$CACHE/$(source_layer)" "$CACHE/$(stock_layer)" "$release" "$ARCH"
}
