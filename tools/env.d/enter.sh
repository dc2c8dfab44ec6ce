# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Running a command in the environment.
#
# Two rules shape this file. No mount may outlive the command: all of them are
# made in a mount namespace of the command's own. And no process may: the
# command gets a PID namespace, and the kernel ends all of it with us.

# What the command may see of the caller's environment.
PASSED_ON=(TERM COLORTERM NO_COLOR CI V ARCH KERNEL TEST IOMMU ACCEL
	http_proxy https_proxy no_proxy)
PASSED_ON_PREFIXES=(RUST_IOMMU_ RUST_BACKTRACE PROPTEST_ LOOM_ CARGO_TERM_)

inside() { [ -e /etc/rust-iommu-userland ]; }

# The caller's own Debian 13 as the userland: simple, and needs no root.
on_host() { [ "${RUST_IOMMU_HOST:-0}" = 1 ]; }

need_namespaces() {
	[ "$(id -u)" -eq 0 ] ||
		die "the environment is a chroot, and that needs root; this is $(id -un)" \
			"Run the same command through sudo (the cache is then root's), or," \
			"on Debian 13 with the packages of tools/env.d/packages installed, set RUST_IOMMU_HOST=1."
	unshare --mount --pid --fork true 2>/dev/null ||
		die "this root may not make mount and PID namespaces (a container without CAP_SYS_ADMIN?)" \
			"Give the container that right, or, on Debian 13 with the packages of" \
			"tools/env.d/packages installed, set RUST_IOMMU_HOST=1."
}

# The environment variables of a command, as words for env(1).
command_environment() {
	local name
	printf '%s\0' "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
		HOME=/root LANG=C.UTF-8 "RUST_IOMMU_CACHE=$CACHE" "CARGO_HOME=$CACHE/cargo-home"
	for name in "${PASSED_ON[@]}"; do
		[ -z "${!name+set}" ] || printf '%s\0' "$name=${!name}"
	done
	while IFS= read -r name; do
		case $name in
		RUST_IOMMU_CACHE) ;;
		*) printf '%s\0' "$name=${!name}" ;;
		esac
	done < <(for name in "${PASSED_ON_PREFIXES[@]}"; do compgen -e "$name"; done)
}

# Debian's crates stand in for the registry, so `cargo test --offline` works.
# Cargo wants to write beside its configuration: it lives in the cache.
write_cargo_config() {
	local config=$CACHE/cargo-home/config.toml
	[ ! -e "$config" ] || return 0
	mkdir -p -- "$CACHE/cargo-home"
	cat >"$config.$$" <<-'TOML'
		[source.crates-io]
		replace-with = "debian"
		[source.debian]
		directory = "/usr/share/cargo/registry"
		[net]
		offline = true
	TOML
	mv -- "$config.$$" "$config"
}

# enter CMD...: becomes CMD, in the environment, in the clone. Never returns.
enter() {
	local variables userland
	[ $# -gt 0 ] || die "enter: no command given" "tools/env enter -- CMD..."
	if inside; then
		cd "$CLONE" && exec "$@"
	fi
	write_cargo_config
	mapfile -d '' -t variables < <(command_environment)
	if on_host; then
		cd "$CLONE" && exec env "${variables[@]}" HOME="$HOME" "$@"
	fi
	need_namespaces
	userland=$(userland_layer)
	have_layer "$userland" || die "the environment is not built yet" "tools/env build"
	# Shared, and held by the whole process tree: `tools/env clean` sees it.
	exec 8>>"$CACHE/locks/$userland"
	flock --shared 8
	exec unshare --mount --propagation private --pid --kill-child --fork \
		"$TOOLS/env.d/in-namespace" "$CACHE/$userland" "$CLONE" "$CACHE" \
		"${variables[@]}" -- "$@"
}
