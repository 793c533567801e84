# SPDX-License-Identifier: MIT
# The monitor on real files of cgroup version 2, in a guest: limits and quota of the group above, kills and throttling where
# they happened, pressure of the group, and a stall that brings a reading long before its time. Fails if the files of a real
# kernel are not understood, if events are looked for in the wrong group, or if no trigger rings.
set -u
: "${SOURCE:?the source tree}" "${BUILD:?the build tree}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
weir=$BUILD/bin/weir

"$SOURCE/tests/vm/guest" -n 2 -c 1 -m 256 -t 200 -f "$SOURCE/tests/vm/monitor_inside.sh=/monitor_inside.sh" -f "$weir" -- \
	sh /monitor_inside.sh "$weir" >"$scratch/out"
status=$?
[ $status = 0 ] || { cat "$scratch/out"; exit $status; }

faults=0
# says NAME PATTERN: the reading of that name matches.
says() {
	grep "^$1 " "$scratch/out" | grep -qE -- "$2" && return
	echo "no $2 in: $(grep "^$1 " "$scratch/out")"
	faults=$((faults + 1))
}

for reading in quiet eaten stalled; do
	for known in host_memory node_memory cgroup_memory cgroup_memory_max cgroup_memory_high cgroup_memory_available \
		cgroup_memory_events cgroup_cpu_quota cgroup_cpu_use cgroup_throttling cgroup_cpu_pressure \
		cgroup_memory_pressure cgroup_io_pressure stall_triggers process; do
		says $reading "\"known\":\[[^]]*\"$known\""
	done
done
says quiet '"nodes":\[\{"physical":0,[^]]*\{"physical":1,'
says quiet '"max_bytes":100663296,"high_bytes":null,"available_bytes":(9[0-9]|100)[0-9]{6}\}'
says quiet '"oom_kill":0\}'
says quiet '"quota_cores":0.29999'
grep -q '^eater 137$' "$scratch/out" || { echo "nobody was killed: $(grep eater "$scratch/out")"; faults=$((faults + 1)); }
says eaten '"max":[1-9][0-9]*,"oom":[1-9][0-9]*,"oom_kill":1\}'
says eaten '"throttled_periods":[1-9][0-9]*,"throttled_ns":[1-9]'
says eaten '"cgroup":.*"cpu":\{"some_avg10":[0-9.]+,"full_avg10":[0-9.]+,"some_total_ns":[1-9]'
says stalled '"early":true'
says stalled '"high_bytes":16777216'
says stalled '"early_readings":1'
says stalled '"cgroup":.*"memory":\{"some_avg10":[0-9.]+,"full_avg10":[0-9.]+,"some_total_ns":[1-9]'
[ $faults = 0 ] || cat "$scratch/out"
exit $((faults > 0))
