#!/bin/sh
# SPDX-License-Identifier: MIT
# nodes_inside.sh BUILD SOURCE TEST... - in the guest of nodes_test.sh: programs on several nodes. Prints a line for each, with
# its output where it failed; ends with how many failed.
build=$1
cd "$2" || exit 1
shift 2
nodes=$build/tests/nodes
failed=0

# run NAME COMMAND...
run() {
	name=$1
	shift
	began=$(cut -d. -f1 /proc/uptime)
	if "$@" >/tmp/out 2>&1; then
		result=passed
	else
		result="FAILED, status $?"
		failed=$((failed + 1))
		cat /tmp/out
	fi
	echo "$name: $result, $(($(cut -d. -f1 /proc/uptime) - began)) s"
}

# inside FILE=VALUE... COMMAND...: in a control group with these settings.
inside() {
	group=/sys/fs/cgroup/part
	mkdir "$group"
	while [ "${1#*=}" != "$1" ]; do
		echo "${1#*=}" >"$group/${1%%=*}" || return 1
		shift
	done
	(sh -c 'echo $PPID' >"$group/cgroup.procs" && exec "$@")
	status=$?
	rmdir "$group"
	return $status
}

run "five nodes, one without cores" "$nodes" 4 2 1 8
run "binding refused" "$nodes" 4 2 1 8 refused
# Addresses of slots count there: more than half of this machine's memory.
echo 300 >/proc/sys/vm/overcommit_ratio
echo 2 >/proc/sys/vm/overcommit_memory
run "no overcommit" "$nodes" 4 2 1 8
echo 0 >/proc/sys/vm/overcommit_memory
echo 400 >/proc/sys/vm/max_map_count
run "few mappings" "$nodes" 4 2 1 8
echo 65530 >/proc/sys/vm/max_map_count
run "a cpuset of two nodes" inside cpuset.cpus=2-5 cpuset.mems=1-2 "$nodes" 0 0 0 4
run "a cpuset of one core and all memory" inside cpuset.cpus=6 cpuset.mems=0-4 "$nodes" 0 0 0 1
run "a binding to a core on each of two nodes" taskset -c 1,4 "$nodes" 0 0 0 2
run "a quota of a core and a half" inside "cpu.max=150000 100000" "$nodes" 0 0 0 2
for test; do
	run "$test" "$build/tests/$test"
done
exit $failed
