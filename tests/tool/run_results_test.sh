# SPDX-License-Identifier: MIT
# What commands return, what is measured of them, and what weir run makes of it.
. "$SOURCE/tests/tool/run_lib.sh"

# The exit status is the number of failures, up to 101.
echo true | run 0
printf 'true\nfalse\nexit 7\nkill -KILL $$\n' | run 3
i=0
while [ $i -lt 105 ]; do
	echo false
	i=$((i + 1))
done >many
run 101 many
holds 'summary of many' err '105 commands: 0 succeeded, 105 failed'
head -n 100 many >hundred
run 100 hundred -q
same 'what --quiet prints' '' "$(cat err)"

# Every line of the job log has all columns, and says what the kernel said.
printf 'true\nexit 7\nkill -KILL $$\nprintf "x\\ty"; : "a\tb"\n' >jobs
run 2 jobs --joblog log
same 'columns' '16' "$(awk -F '\t' '{ print NF }' log | sort -u)"
same 'first columns' 'Seq Host Starttime JobRuntime Send Receive Exitval Signal Command' \
	"$(head -n 1 log | cut -f 1-9 | tr '\t' ' ')"
same 'Exitval' '0 7 0 0' "$(column log Exitval)"
same 'Signal' '0 0 9 0' "$(column log Signal)"
same 'Receive' '0 0 0 3' "$(column log Receive)"
same 'Tries' '1 1 1 1' "$(column log Tries)"
holds 'a tab in a command' log ': "a\\tb"'

# CPU time and memory are the command's: dd's buffer is 64 MB.
cat >jobs <<'EOF'
memory=100M -- dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null
memory=16M -- dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null
i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done
EOF
run 0 jobs --joblog log --limit-memory 200M --machine "$four_cores"
for bytes in $(column log PeakMemory | cut -d ' ' -f 1-2); do
	[ "$bytes" -ge 67108864 ] || fail "PeakMemory of a command that uses 64 MB: $bytes"
done
same 'CPU time of a busy loop is above 0' 1 "$(column log CpuTime | awk '{ print ($3 > 0) }')"
holds 'one of the two stated too little' err '1 used more memory than stated'

# A command knows its grant.
cat >jobs <<'EOF'
echo $WEIR_JOB $WEIR_CORES $WEIR_MEMORY_BYTES $WEIR_NODE
cores=1.5 memory=1M node=1 -- echo $WEIR_JOB $WEIR_CORES $WEIR_MEMORY_BYTES $WEIR_NODE
EOF
WEIR_JOB=wrong run 0 -k jobs --machine "$two_nodes" --limit-memory 64M
same 'grants' '1 1 0 0,2 2 1048576 1,' "$(tr '\n' ',' <out)"

# It may use no other cores than weir may, and all of those if it is not bound.
cores='grep Cpus_allowed_list /proc/self/status'
echo "$cores" | run 0 --unbound
same 'cores of an unbound command' "$($cores)" "$(cat out)"
first=$($cores | grep -oE '[0-9]+' | head -n 1)
echo "$cores | grep -oE '[0-9].*'" >jobs
taskset -c "$first" "$WEIR" run jobs >out 2>err
same 'cores of a bound command' "$first" "$(cat out)"

# Retries: until it succeeds, at most N times, and the output of the last try alone.
cat >jobs <<'EOF'
echo x >>tries; echo try $(wc -l <tries); test $(wc -l <tries) = 3
echo x >>others; exit 5
EOF
run 1 jobs --retries 4 --joblog log -k
same 'output of the last try' 'try 3' "$(cat out)"
same 'tries that helped' 3 "$(wc -l <tries)"
same 'tries that did not' 4 "$(wc -l <others)"
same 'Tries' '3 4' "$(column log Tries)"
same 'Exitval' '0 5' "$(column log Exitval)"

# A time limit ends a command that would run on, and no other.
printf 'sleep 1000\ntrue\ntrap "" TERM; sleep 1000\n' >jobs
run 2 jobs --timeout 2 --grace 0.1 --joblog log
same 'Exitval of what ran out of time' '-1 0 -1' "$(column log Exitval)"
run 1 jobs --timeout 0.1 --halt now,fail=1 -j 1
holds 'a run halted by it' err '0 succeeded, 1 failed, 2 not started'

# Nothing runs in a dry run, and what cannot run is named.
printf 'echo ran >ran\n# no\ncores=64 -- true\n' >jobs
run 1 jobs --dry-run --machine "$four_cores"
same 'dry run' 'echo ran >ran' "$(cat out)"
holds 'dry run' err '^jobs:3: infeasible: '
[ ! -e ran ] || fail 'a dry run ran something'
finish
