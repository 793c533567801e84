# SPDX-License-Identifier: MIT
# With -j 1 commands start in the order of class, priority and list, exactly. It fails where more than one waits in the pool: then one
# may be passed as it is submitted, or by those that another worker hands its grant on to (one run of 40 commands in three).
. "$SOURCE/tests/tool/run_lib.sh"

for i in $(seq 1 40); do echo "echo $i"; done >jobs
seq 1 40 >wanted
for turn in $(seq 1 15); do
	run 0 jobs -q -j 1 --machine "$four_cores"
	cmp -s out wanted || fail "turn $turn: the list's order is not kept: $(tr '\n' ' ' <out)"
done

# Needs that differ change nothing, nor does one that cannot run.
cat >jobs <<'EOJ'
class=best-effort -- echo 8
echo 4
cores=3 -- echo 5
class=high -- echo 2
cores=99 -- echo never
priority=1 memory=1M -- echo 3
cores=0.5 -- echo 6
class=critical -- echo 1
priority=-1 -- echo 7
EOJ
seq 1 8 >wanted
for turn in $(seq 1 5); do
	run 1 jobs -q -j 1 --machine "$four_cores"
	cmp -s out wanted || fail "turn $turn: class, priority, list: $(tr '\n' ' ' <out)"
done

# What waited, waited since the run began.
printf 'sleep 0.2\ntrue\ntrue\n' >jobs
run 0 jobs -q -j 1 --machine "$four_cores" --joblog log
same "the last waited for all before it" yes "$(column log WaitTime | awk '{ print ($3 >= 0.19 ? "yes" : $3) }')"

# And who ends early ends, whoever waits for his turn.
printf 'false\ntouch ran\n' >jobs
run 1 jobs -q -j 1 --machine "$four_cores" --halt now,fail=1
[ ! -e ran ] || fail "something started after the halt"

# Whoever waits for his turn sleeps until then. Fails if the main thread looks every 20 ms: it woke 60 times and more; now some 10 times,
# at the start. A command is a child of weir itself.
printf 'sleep 1; awk "/^vol/ { print \\$2 }" /proc/$PPID/status\ntrue\n' >jobs
run 0 jobs -q -j 1 --machine "$four_cores"
[ "$(cat out)" -lt 30 ] || fail "the main thread woke $(cat out) times"
finish
