# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The cache: a folder of layers. A layer is a directory named after a hash of
# everything it was made from, so a changed input gives a new name and never an
# out-of-date content. The stamp inside, written last, is what makes it count:
# any moment is a good one to be killed, and any part of the cache may be deleted
# at any time. (Layers are made in their final place, not renamed into it: an O=
# tree of the kernel holds its own path.)

STAMP=.rust-iommu-layer

# key TEXT-OR-FILE...: 12 hex digits over the contents of files and other words.
key() {
	local word
	for word in "$@"; do
		if [ -f "$word" ]; then cat -- "$word"; else printf '%s\n' "$word"; fi
	done | sha256sum | cut -c1-12
}

have_layer() { [ -e "$CACHE/$1/$STAMP" ]; }

# Deletes a tree of the cache. --one-file-system: should anything ever be
# mounted in it, it is not ours to delete.
remove_tree() { rm -rf --one-file-system -- "$1"; }

# make_layer NAME LABEL PATTERN MAKER...: makes the layer unless it is there.
# MAKER gets the folder to fill as its last argument; LABEL and PATTERN as in step.
make_layer() {
	local name=$1 label=$2 pattern=$3
	shift 3
	have_layer "$name" && return 0

	exec 9>"$CACHE/locks/$name"
	if ! flock --nonblock 9; then
		note "another run is making $name: waiting for it"
		flock 9
	fi
	if ! have_layer "$name"; then
		[ ! -e "$CACHE/$name" ] || remove_half_made "$name"
		mkdir -- "$CACHE/$name"
		# The maker does not get the lock: it must not outlive us in some grandchild.
		if ! step "$label" "$pattern" "$CACHE/logs/$name.log" "$@" "$CACHE/$name" 9>&-; then
			remove_tree "$CACHE/$name"
			die "could not make the layer $name" \
				"Nothing half-made is kept: run the same command again to retry."
		fi
		date -u '+made %F %T UTC' >"$CACHE/$name/$STAMP"
	fi
	exec 9>&-
}

remove_half_made() { # LAYER, whose lock is held
	note "removing the half-made $1 of an interrupted run"
	remove_tree "$CACHE/$1"
}

open_cache() {
	local lock layer
	mkdir -p -- "$CACHE/locks" "$CACHE/logs" "$CACHE/cargo-home" ||
		die "cannot make the cache folder $CACHE" \
			"RUST_IOMMU_CACHE=<folder> puts it elsewhere."
	[ -w "$CACHE" ] || die "the cache folder $CACHE is not writable for $(id -un)"
	# Also those nobody will ask for again, since the pins have changed.
	for lock in "$CACHE/locks"/*; do
		layer=${lock##*/}
		if [ -d "$CACHE/$layer" ] && ! have_layer "$layer"; then
			exec 9>"$lock"
			! flock --nonblock 9 || have_layer "$layer" || remove_half_made "$layer"
			exec 9>&-
		fi
	done
}

# Layers in use hold a shared lock (see enter.sh), layers being made an
# exclusive one: what is locked is left alone.
clean_cache() {
	local lock layer busy=0
	[ -d "$CACHE/locks" ] || return 0
	for lock in "$CACHE/locks"/*; do
		[ -e "$lock" ] || continue
		if ! flock --nonblock "$lock" true; then
			note "${lock##*/} is in use: left alone"
			busy=1
			continue
		fi
		layer=$CACHE/${lock##*/}
		[ ! -d "$layer" ] || remove_tree "$layer"
		rm -f -- "$lock"
	done
	[ "$busy" -eq 0 ] || return 1
	remove_tree "$CACHE/logs"
	remove_tree "$CACHE/cargo-home"
	remove_tree "$CACHE/guest"
	rm -f -- "$CACHE"/kernel-version-*
	rmdir -- "$CACHE/locks" "$CACHE" 2>/dev/null || :
}
