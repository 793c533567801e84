#!/bin/sh
# SPDX-License-Identifier: MIT
# `weir replay` of a small workload: every verdict and every end is accounted for, what can never fit is refused and counted,
# no node holds more than its limit; whatever the machine, the strategy and the rule. A plain pool does over-commit, which
# shows that the counters can see it.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
swf=$SOURCE/tests/data/replay_small.swf
faults=0

# replay <overcommits> <plain> <options of weir replay>...
replay()
{
	overcommits=$1 plain=$2
	shift 2
	if ! "$WEIR" replay --workers 16 --speedup 200 --json="$work/report.json" "$@" "$swf" >"$work/out" 2>"$work/err"; then
		echo "weir replay $*: exit status not 0"
		cat "$work/err"
		faults=$((faults + 1))
		return
	fi
	if ! awk -v processors=64 -v memory_kb=1048576 -v overcommits="$overcommits" -v plain="$plain" \
		-f "$SOURCE/tests/tool/replay_check.awk" "$work/report.json" "$swf"; then
		echo "weir replay $*: its report is wrong"
		cat "$work/report.json"
		faults=$((faults + 1))
	fi
}

# says <key> <value>: the last report has it
says()
{
	grep -q "^  \"$1\": $2,*\$" "$work/report.json" && return
	echo "the report does not say \"$1\": $2"
	cat "$work/report.json"
	faults=$((faults + 1))
}

replay none "" --limit-cpu 4 --limit-memory 64M
says strategy '"first"'
says admission '"hard"'
says machine '"this"'
replay none "" --limit-cpu 16 --limit-memory 64M --machine "numa:4 core:4 pu:1"
says machine '"numa:4 core:4 pu:1"'
says home_node_ratio null
replay none "" --limit-cpu 16 --limit-memory 64M --machine "numa:4 core:4 pu:1" --strategy best --seed 7
says strategy '"best"'
replay none "" --limit-cpu 16 --limit-memory 64M --machine "numa:4 core:4 pu:1" --strategy worst
replay some 1 --limit-cpu 4 --limit-memory 64M --plain
says strategy '"none"'
says fragmentation null

# The text report goes to standard output, and with --json alone the JSON does.
grep -q 'over-commits' "$work/out" || { echo "no text report beside --json=FILE"; faults=$((faults + 1)); }
"$WEIR" replay --jobs 5 --speedup 1000 --json "$swf" >"$work/out" 2>"$work/err" || faults=$((faults + 1))
[ "$(head -c 1 "$work/out")" = "{" ] || { echo "--json alone does not print JSON only"; faults=$((faults + 1)); }
grep -q '"jobs": 5,' "$work/out" || { echo "--jobs 5 did not replay 5 jobs"; faults=$((faults + 1)); }

# From standard input, too; nothing but the report is said.
"$WEIR" replay --jobs 5 --speedup 1000 - <"$swf" >"$work/out" 2>"$work/err" || { echo "- failed"; faults=$((faults + 1)); }
[ -s "$work/err" ] && { echo "unasked words on standard error:"; cat "$work/err"; faults=$((faults + 1)); }
[ "$faults" -eq 0 ]
