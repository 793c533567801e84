# SPDX-License-Identifier: MIT
# The driver beside programs that fail, hang, print rubbish. Each must cost its own column and no other, be told with the
# reason, and be seen in the exit status. Fails if a failing program is believed, or if it takes others with it.
. tests/bench/driver_lib.sh

run 0 "good slow fails dies rubbish odd nolist empty"
holds "who fails says why" told 'fails, fib, 1 thread: exit status 1: the answer is wrong'
holds "a signal" told 'dies, fib, 1 thread: ended by signal 11'
holds "rubbish" told "rubbish, fib, 1 thread: no JSON object: 'hello'"
holds "no list" table 'failed: nolist: list: .no list. is no WORKLOAD THREADS'
holds "an empty list" table 'failed: empty: list: it names no workload'
holds "in one workload alone" told 'odd, uts, 1 thread: exit status 3'
holds "the others go on" table '^  slow .* 8.00'
holds "and so does who fails elsewhere" table '^  odd .* 4.00'
holds "a failure as JSON" report.json '"state": "failed"'
[ "$(grep -c '^bench: fails, fib, 1 thread' told)" = 1 ] || fail "who failed was run again"

run 0 "good hangs" --only uts --timeout 1
holds "who hangs" told 'hangs, uts, 1 thread: not done after 1'

run 0 "slow"
holds "without weir" report.json '"weir_ns": null'

# Weir's own failure is the run's; the peer of the first program is weir.
program bad_good 'exit 1'
mv good kept_good
mv bad_good good
run 2 "good slow" --only uts
holds "weir fails" table 'failed: weir, uts, 1 thread: exit status 1'
mv kept_good good
exit $((failures > 0))
