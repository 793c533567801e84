#!/bin/sh
# SPDX-License-Identifier: MIT
# Ctrl-C: what runs is asked to stop, what waits never starts, the report says what was done, the exit status is 130.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
{
	echo "; MaxProcs: 4"
	for job in 1 2 3 4; do
		echo "$job 0 -1 3600 4 -1 -1 4 -1 -1 1 -1 -1 -1 -1 -1 -1 -1"
	done
	echo "5 7200 -1 3600 4 -1 -1 4 -1 -1 1 -1 -1 -1 -1 -1 -1 -1"
} >"$work/long.swf"

# counted: the report says what there was when all four had come
counted()
{
	for line in '"jobs": 4,' '"admitted": 1,' '"queued": 3,' '"completed": 0,' '"cancelled": 4,'; do
		grep -q "^  $line" "$work/report.json" || { echo "the report does not say $line"; return 1; }
	done
}

# A shell starts background commands with SIGINT ignored; SIGTERM goes the same way. On a slow machine the signal may come
# before the first job, and then ends the program as it ends any, or before the fourth: then once more, later.
for seconds in 1 4 16; do
	"$WEIR" replay --limit-memory 16M --speedup 1 --json="$work/report.json" "$work/long.swf" >"$work/out" 2>&1 &
	replay=$!
	sleep "$seconds"
	kill -TERM "$replay"
	wait "$replay"
	status=$?
	[ "$status" -eq 130 ] && counted >/dev/null && break
	[ "$status" -eq 130 ] || [ "$status" -eq 143 ] || break
done
faults=0
[ "$status" -eq 130 ] || { echo "exit status $status instead of 130"; faults=1; }
grep -q '(interrupted)' "$work/out" || { echo "the report does not say that it was interrupted"; faults=1; }
counted || faults=1
[ "$faults" -eq 0 ] || cat "$work/out" "$work/report.json"
[ "$faults" -eq 0 ]
