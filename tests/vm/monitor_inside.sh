#!/bin/sh
# SPDX-License-Identifier: MIT
# monitor_inside.sh WEIR - in the guest: what `weir host` says of a group of version 2 in which things go wrong. Prints lines
# of JSON, each behind its name; see monitor_test.sh.
weir=$1
top=/sys/fs/cgroup

# join GROUP: this shell, and what it starts. It is not to be killed instead of who eats memory.
join() {
	sh -c 'echo $PPID' >"$top/$1/cgroup.procs"
	echo -1000 >/proc/self/oom_score_adj
}

mkdir "$top/job" "$top/job/step"
echo '+cpu +memory' >"$top/job/cgroup.subtree_control"

# Quiet: limits are read, of the group and of the one above.
echo $((96 << 20)) >"$top/job/memory.max"
echo '30000 100000' >"$top/job/cpu.max"
(join job/step && printf 'quiet ' && "$weir" host --json)

# A busy loop runs against the quota, and a file in memory against the limit of the group above: its writer is killed.
(
	join job/step
	(while :; do :; done) &
	busy=$!
	(
		echo 1000 >/proc/self/oom_score_adj
		exec dd if=/dev/zero of=/dev/shm/eaten bs=1M count=200 2>/dev/null
	)
	echo "eater $?"
	sleep 1
	kill $busy
	rm -f /dev/shm/eaten
	printf 'eaten '
	"$weir" host --json
)

# The next reading is due in an hour. A stall brings it: the group is slowed down at its high limit.
echo max >"$top/job/memory.max"
echo 'max 100000' >"$top/job/cpu.max"
echo $((16 << 20)) >"$top/job/step/memory.high"
(
	join job/step
	printf 'stalled '
	"$weir" host --json --interval=3600 &
	waiting=$!
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		kill -0 $waiting 2>/dev/null || break
		timeout 5 dd if=/dev/zero of=/dev/shm/slow bs=64k count=1000 2>/dev/null
		rm -f /dev/shm/slow
	done
	kill $waiting 2>/dev/null && echo "no reading came"
	wait
)
