#!/bin/sh
# SPDX-License-Identifier: MIT
# A build in which the ledger forgets the guard of its memory field over-commits, and the bodies' counters, which know
# nothing of the ledger, see it. It fails if the counters are blind, and then all the zeros elsewhere mean nothing.
set -u
seeded=${WEIR%/*}/weir-seeded
[ -x "$seeded" ] || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
"$seeded" replay --workers 16 --speedup 200 --limit-cpu 4 --limit-memory 64M --json="$work/report.json" \
	"$SOURCE/tests/data/replay_small.swf" >"$work/out" 2>"$work/err"
status=$?
events=$(sed -n 's/^  "overcommit_events": \([0-9]*\),$/\1/p' "$work/report.json")
if [ "$status" -ne 1 ] || [ "${events:-0}" -eq 0 ]; then
	echo "exit status $status, overcommit_events '$events': 1 and more than 0 were due"
	cat "$work/err" "$work/out"
	exit 1
fi
