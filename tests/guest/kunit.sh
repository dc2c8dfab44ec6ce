#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the KUnit suites of the modules that are loaded; their cases are the results.

. /lib.sh
begin

suites=/sys/kernel/debug/kunit
check "there are suites" sh -c "ls $suites | grep ."
for suite in "$suites"/*; do
	# KUnit logs the same lines, which would stand between ours: not on the console.
	dmesg -n 6
	echo 1 >"$suite/run"
	dmesg -n 7
	verdict="no result"
	while IFS= read -r line; do
		case $line in
		'    '*) say "$line" ;;
		ok*) verdict=ok ;;
		not*) verdict=failed ;;
		esac
	done <"$suite/results"
	equal "${suite##*/}" ok "$verdict"
done
