# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The layer of the debug kernel (KERNEL=debug): minutes of building, so it is made
# only when asked for, and keyed by nothing that does not go into it.

debug_fragments() { printf '%s\n' "$TOOLS/env.d/debug.config" "$TOOLS/env.d/debug-$ARCH.config"; }

# The architectures that have a fragment of their own.
has_debug_kernel() { [ -e "$TOOLS/env.d/debug-$ARCH.config" ]; }

debug_layer() {
	local fragments version
	version=$(kernel_version) || return
	mapfile -t fragments < <(debug_fragments)
	printf '%s\n' "debug-${version%%-*}-$ARCH-$(key "$(userland_layer)" "$(source_layer)" \
		"${fragments[@]}" "$TOOLS/env.d/make-debug")"
}

make_debug_layer() { # LABEL
	local fragments
	mapfile -t fragments < <(debug_fragments)
	make_layer "$(debug_layer)" "$1 debug kernel for $ARCH (objects)" '^  [A-Z]+ ' \
		in_environment "$TOOLS/env.d/make-debug" "$CACHE/$(source_layer)" "$ARCH" \
		"${fragments[@]}"
}
