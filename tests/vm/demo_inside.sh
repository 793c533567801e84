#!/bin/sh
# SPDX-License-Identifier: MIT
# demo_inside.sh SOURCE PIPELINE - in the guest of demo_test.sh: what tools/demo does with its pipeline. Ends as it should: 0.
limited=$1/tools/package/limited pipeline=$2
head -c $((40 * 32768)) /dev/zero | tr '\0' w >/root/chunks

how=$(sh "$limited" how)
echo "limited by $how"
[ "$how" = "a control group" ] || exit 1
sh "$limited" $((256 << 20)) "$pipeline" plain /root/chunks 40 48 16
status=$?
echo "plain pool: status $status"
[ $status = 137 ] || exit 1
sh "$limited" $((256 << 20)) "$pipeline" aware /root/chunks 40 48 16 192 || exit 1
# A program's own status comes through, and nothing is left behind.
sh "$limited" $((64 << 20)) sh -c 'exit 7'
[ $? = 7 ] || exit 1
for group in /sys/fs/cgroup/weir-limited-*; do
	[ ! -e "$group" ] || { echo "$group was left behind"; exit 1; }
done
