#!/bin/sh
# SPDX-License-Identifier: MIT
# `weir host` prints a reading as text and as JSON whatever this host lets be read: fails if a number is printed for what is
# not known, if JSON is not one object on a line, or if a wrong option is taken.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
faults=0

fault()
{
	echo "$*"
	faults=$((faults + 1))
}

"$WEIR" host >"$work/text" 2>"$work/err" || fault "weir host: status $?: $(cat "$work/err")"
for line in '^node 0 ' '^control group memory:' '^monitor: [0-9]+ readings, [0-9]+ early; [0-9.]+ % of one core$'; do
	grep -qE "$line" "$work/text" || fault "no line '$line' in: $(cat "$work/text")"
done
# Each thing is either shown or named as not known.
for pair in 'host: memory=host_memory' 'host pressure cpu=cpu_pressure' 'host pressure io=io_pressure' \
	'control group throttling:=cgroup_throttling' 'control group events:=cgroup_memory_events' \
	'control group pressure memory:=[^p]cgroup_memory_pressure' 'process:= process'; do
	shown=$(grep -cF "${pair%%=*}" "$work/text")
	unknown=$(grep '^not known:' "$work/text" | grep -cE "[ ,]*${pair#*=}(,|\$)")
	[ $((shown + unknown)) -eq 1 ] || fault "'${pair%%=*}' is shown $shown times, and $unknown times not known"
done

"$WEIR" host --json --count=3 --interval=0.01 >"$work/json" 2>"$work/err" ||
	fault "weir host --json: status $?: $(cat "$work/err")"
[ "$(wc -l <"$work/json")" -eq 3 ] || fault "three readings were due: $(cat "$work/json")"
while read -r line; do
	for key in taken_at_ns known memory nodes pressure cgroup process age_ns monitor events throttled_ns some_avg10; do
		case $line in
		'{'*"\"$key\":"*'}') ;;
		*) fault "no \"$key\" in $line" ;;
		esac
	done
done <"$work/json"

for wrong in --count=x --count=-1 --interval=0 --interval=nan extra; do
	"$WEIR" host "$wrong" >"$work/out" 2>"$work/err"
	[ $? -eq 255 ] && [ -s "$work/err" ] && [ ! -s "$work/out" ] || fault "weir host $wrong is taken"
done
"$WEIR" host >/dev/full 2>"$work/err"
[ $? -eq 255 ] && grep -q 'standard output' "$work/err" || fault "a full disk goes unnoticed: $(cat "$work/err")"
exit $((faults > 0))
