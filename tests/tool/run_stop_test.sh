# SPDX-License-Identifier: MIT
# How a run ends early: by --halt, by a signal, by two; and that nothing is left running.
. "$SOURCE/tests/tool/run_lib.sh"

# soon: what runs may end, what waits does not start.
cat >jobs <<'EOF'
touch running; until [ -e failed ]; do sleep 0.01; done; sleep 0.2; echo ended
until [ -e running ]; do sleep 0.01; done; touch failed; exit 7
cores=2 -- echo waited
EOF
run 7 jobs --halt soon,fail=1 --limit-cpu 2 --machine "$four_cores"
same 'soon' 'ended' "$(cat out)"
holds 'soon' err '1 succeeded, 1 failed, 1 not started'

# now: what runs is ended, also what does not listen.
rm -f running failed
cat >jobs <<'EOF'
trap "" TERM; touch running; sleep 1000; echo ended
until [ -e running ]; do sleep 0.01; done; kill -TERM $$
cores=2 -- echo waited
EOF
run 143 jobs --halt now,fail=1 --limit-cpu 2 --machine "$four_cores" --grace 0.1
same 'now' '' "$(cat out)"
holds 'now' err '0 succeeded, 1 failed, 1 stopped, 1 not started'

# The count is of failures, and what cannot run is one. With -j 1 the list's order is kept.
printf 'true\ntrue\ntrue\nexit 9\nexit 9\nexit 9\nexit 9\nexit 9\n' >jobs
run 9 jobs --halt soon,fail=3 -j 1 --limit-cpu 1 --machine "$four_cores"
holds 'third failure' err '3 succeeded, 3 failed, 2 not started'
printf 'cores=99 -- true\ntouch ran\n' >jobs
run 1 jobs --halt now,fail=1 --machine "$four_cores"
[ ! -e ran ] || fail 'infeasible does not halt'
printf 'false\nfalse\ntrue\n' | run 2 --halt never

# Who starts commands was killed: what comes after cannot be started, and is told so.
cat >jobs <<'EOJ'
for p in /proc/[0-9]*; do read -r c <$p/comm && [ "$c" = weir-starter ] && grep -q "^PPid:.$PPID$" $p/status && kill -KILL ${p#/proc/}; done 2>/dev/null; true
touch ran
EOJ
run 1 jobs -j 1
holds 'without a starter' err '^jobs:2: cannot be started: the process weir-starter is gone'
[ ! -e ran ] || fail 'a starter that was killed started something'

# start: weir run in the background, until both of its commands run
start() {
	rm -f up.* tidied
	"$WEIR" run jobs --limit-cpu 2 --machine "$four_cores" --joblog log >out 2>err &
	weir=$!
	until_true '[ -s up.1 ] && [ -s up.2 ]' # written, not only opened
}

# gone <process>: also where nobody has looked at its end yet
gone() {
	! grep -q ') [^ZX] ' "/proc/$1/stat" 2>/dev/null
}

# ended <what> <status>: wait for it
ended() {
	wait $weir
	same "$1: status" "$2" $?
	until_true 'gone "$(cat up.1)" && gone "$(cat up.2)"'
}

# Once: TERM to what runs, which may tidy up; nothing new starts.
cat >jobs <<'EOF'
trap "echo tidied >>tidied; exit 1" TERM; echo $$ >up.1; while :; do sleep 0.01; done
sleep 1000 & echo $! >up.2; wait
touch ran
EOF
signals='INT:130 TERM:143 HUP:129'
# Under nohup the end of the terminal is not for weir either.
case $(awk '/^SigIgn/ { print $2 }' /proc/self/status) in
*[13579bdf]) signals='INT:130 TERM:143' ;;
esac
for signal in $signals; do
	wanted=${signal#*:}
	signal=${signal%:*}
	start
	kill -"$signal" $weir
	ended "SIG$signal" "$wanted"
	same "SIG$signal: tidied up" 'tidied' "$(cat tidied)"
	holds "SIG$signal" err '0 succeeded, 2 stopped, 1 not started'
	same "SIG$signal: job log" '1 2' "$(column log Seq)"
	[ ! -e ran ] || fail "SIG$signal: something new started"
done

# Twice: KILL to what did not end.
cat >jobs <<'EOF'
trap "echo asked >>asked" TERM; echo $$ >up.1; while :; do sleep 0.01; done
sleep 1000 & echo $! >up.2; trap "" TERM; wait; wait; while :; do sleep 0.01; done
EOF
start
kill -INT $weir
until_true '[ -e asked ]'
kill -0 $weir || fail 'one signal killed what does not listen'
kill -INT $weir
ended 'twice' 130
holds 'twice' err '0 succeeded, 2 stopped'
finish
