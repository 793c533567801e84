#!/bin/sh
# SPDX-License-Identifier: MIT
# Workloads of real clusters, which are not part of this repository (skipped without them): whole, here and on four nodes.
set -u
workloads=$SOURCE/../shared/workloads
[ -r "$workloads/wagap-2013.swf" ] && [ -r "$workloads/hpc2n-2002-head.swf" ] || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
faults=0

# Under a sanitizer the first jobs must do.
if [ -n "${TSAN_OPTIONS:-}${ASAN_OPTIONS:-}" ]; then
	for name in wagap-2013.swf hpc2n-2002-head.swf; do
		head -n 1500 "$workloads/$name" >"$work/$name"
	done
	workloads=$work
fi

# replay <workload> <processors> <memory in KB, 0: from the jobs> <options>...
replay()
{
	swf=$workloads/$1 processors=$2 memory_kb=$3
	shift 3
	if ! "$WEIR" replay --workers 16 --limit-memory 64M --json="$work/report.json" "$@" "$swf" >"$work/out" 2>"$work/err" ||
		! awk -v processors="$processors" -v memory_kb="$memory_kb" -v overcommits=none \
			-f "$SOURCE/tests/tool/replay_check.awk" "$work/report.json" "$swf"; then
		echo "weir replay $* $swf:"
		cat "$work/err" "$work/report.json"
		faults=$((faults + 1))
	fi
}

# 20 nodes of 529426432 KB and 48 of 94035968 KB.
wagap="wagap-2013.swf 2176 15102255104"
hpc2n="hpc2n-2002-head.swf 240 0"
synthetic="numa:4 core:4 pu:1"
replay $wagap --speedup 5e7
replay $wagap --speedup 5e7 --machine "$synthetic" --strategy best
replay $hpc2n --speedup 3e6
replay $hpc2n --speedup 3e6 --machine "$synthetic" --strategy worst
[ "$faults" -eq 0 ]
