# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The layer of an installed Debian (`make installed`).

installed_layer() {
	local release
	release=$(kernel_release) || return
	printf 'installed-%s-%s\n' "$release" "$(key "$(kernel_version)" "$DEBIAN_SUITE" \
		"$(cd "$TOOLS/installed/image" && find . -type f -exec sha256sum {} + | sort)" \
		"$TOOLS/env.d/make-installed" "$TOOLS/env.d/make-raid")"
}

make_installed_layer() { # LABEL
	local layer sources
	layer=$(installed_layer)
	if have_layer "$layer"; then return 0; fi
	[ "$(debian_arch)" = amd64 ] || die "there is no installed machine for ARCH=$ARCH; known: x86_64"
	need_namespaces
	need_mmdebstrap
	sources=/etc/apt/sources.list.d
	on_host || sources=$CACHE/$(userland_layer)$sources
	make_layer "$layer" "$1 installed Debian $DEBIAN_SUITE (packages set up)" '^Setting up' \
		setpriv --pdeathsig KILL \
		unshare --mount --propagation private --pid --kill-child --fork --mount-proc \
		"$TOOLS/env.d/make-installed" "$DEBIAN_SUITE" "$(kernel_release)" "$sources"
}
