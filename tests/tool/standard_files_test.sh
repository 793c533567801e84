# SPDX-License-Identifier: MIT
# What the program prints is never lost in silence: fails where standard output is full or closed and the exit status does not say
# so, and where a file that is opened later takes the place of a closed one and gets what was to be printed.
. "$SOURCE/tests/tool/run_lib.sh"
workload=$SOURCE/tests/data/replay_small.swf
echo 'echo hello' >jobs

# says <what> <status>: status 255, and one line about standard output
says() {
	same "$1: status" 255 "$2"
	same "$1: it says so once" 1 "$(grep -c 'standard output: ' err)"
}

for arguments in --help --version 'run --help' 'run --dry-run jobs' 'run -q jobs' host "replay --jobs 1 --speedup 1e6 $workload" \
	"replay --json --jobs 1 --speedup 1e6 $workload"; do
	# shellcheck disable=SC2086
	"$WEIR" $arguments >/dev/full 2>err
	says "weir $arguments, full" $?
	# shellcheck disable=SC2086
	"$WEIR" $arguments >&- 2>err
	says "weir $arguments, closed" $?
done

# A file has what belongs to it, whatever is closed.
"$WEIR" run -q --joblog log jobs >&- 2>err
same 'the job log' 2 "$(wc -l <log)"
# shellcheck disable=SC2086
"$WEIR" replay --json=report.json --jobs 1 --speedup 1e6 $workload >&- 2>err
same 'the report begins' '{' "$(head -n 1 report.json)"
same 'the report ends' '}' "$(tail -n 1 report.json)"
"$WEIR" run -q jobs 2>&- >out
same 'nobody is told of anything, and all goes well' '0 hello' "$? $(cat out)"
"$WEIR" run -q <&- 2>err
same 'a job list that cannot be read: status' 255 $?
holds 'a job list that cannot be read' err 'standard input: cannot be read: '
echo 'cat; echo end' >jobs
"$WEIR" run -q jobs <&- >out 2>err
same 'commands have an empty standard input all the same' 'end' "$(cat out)"
same 'and nothing to complain of' '' "$(cat err)"
finish
