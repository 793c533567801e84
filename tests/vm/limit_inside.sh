#!/bin/sh
# SPDX-License-Identifier: MIT
# limit_inside.sh PROGRAM RUN... - in the guest: runs of hungry, each under a limit; see limit_test.sh.
# RUN: NAME:LIMIT_MIB:RANKS:plain|aware|drawn:WORKERS:TIMES:PIECE_KIB. Prints a line for each process and one for each run:
#	run NAME killed=N failed=N oom=N oom_kill=N max=N peak=BYTES limit=BYTES seconds=S
program=$1
shift

# event NAME: how often it happened in $group.
event() {
	sed -n "s/^$1 //p" "$group/memory.events"
}

# process NUMBER: one of them, in the group; its status in a file.
process() {
	(
		sh -c 'echo $PPID' >"$group/cgroup.procs"
		[ "$ranks" = 1 ] && exec "$program" "$kind" "$workers" "$times" "$piece"
		export OMPI_COMM_WORLD_LOCAL_SIZE="$ranks"
		# As launchers do: each rank has cores of its own.
		each=$(($(nproc) / ranks))
		exec taskset -c $((($1 - 1) * each))-$(($1 * each - 1)) \
			"$program" "$kind" "$workers" "$times" "$piece" "$ranks" "$here"
	) >"$here/out.$1" 2>"$here/err.$1"
	echo $? >"$here/status.$1"
}

for run; do
	IFS=: read -r name mib ranks kind workers times piece <<-END
		$run
	END
	group=/sys/fs/cgroup/$name here=/tmp/$name limit=$((mib << 20))
	mkdir "$group" "$here"
	echo "$limit" >"$group/memory.max"
	began=$(cut -d. -f1 /proc/uptime)
	for i in $(seq "$ranks"); do
		process "$i" &
	done
	wait
	for i in $(seq "$ranks"); do
		echo "process $name status=$(cat "$here/status.$i") $(cat "$here/out.$i" "$here/err.$i")"
	done
	echo "run $name killed=$(grep -lx 137 "$here"/status.* | wc -l) failed=$(grep -Lx 0 "$here"/status.* | wc -l)" \
		"oom=$(event oom) oom_kill=$(event oom_kill) max=$(event max) peak=$(cat "$group/memory.peak") limit=$limit" \
		"seconds=$(($(cut -d. -f1 /proc/uptime) - began))"
	rmdir "$group"
done
