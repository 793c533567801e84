#!/bin/sh
# SPDX-License-Identifier: MIT
# What is wrong with a workload, an option or a machine is said by name, and the exit status is 255.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
good=$SOURCE/tests/data/replay_small.swf
faults=0

# refuses <what it must say> <arguments>...
refuses()
{
	text=$1
	shift
	"$WEIR" replay "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	if [ "$status" -ne 255 ] || ! grep -qF -e "$text" "$work/err" || [ -s "$work/out" ]; then
		echo "weir replay $*: status $status; \"$text\" was due, but it said"
		cat "$work/err"
		faults=$((faults + 1))
	fi
}

cd "$work" || exit 1
: >empty.swf
printf '; MaxProcs: 4\n' >jobless.swf
printf '; MaxProcs: 4\n1 0 0 10 4\n' >short.swf
printf '1 0 0 ten 4 -1 -1 4 60 -1 1 1 1 -1 -1 -1 -1 -1\n' >nonsense.swf
printf '1 0 0 10 4 -1 -1 4 60 -1 1 1 1 -1 -1 -1 -1 -1 -1\n' >long.swf
printf '1 0 0 10 -1 -1 -1 -1 60 -1 1 1 1 -1 -1 -1 -1 -1\n' >nowhere.swf
printf '\177ELF\002\001\001\000\000' >binary.swf
head -c 4096 /dev/urandom >garbage.swf

refuses "empty.swf:1: the file is empty" empty.swf
refuses "standard input:1: the file is empty" -
refuses "jobless.swf:1: the file ends without a job" jobless.swf
refuses "short.swf:2: 5 fields where a job has 18" short.swf
refuses "long.swf:1: 19 fields where a job has 18" long.swf
refuses 'nonsense.swf:1: field 4 (run time) is "ten"' nonsense.swf
refuses "nowhere.swf: no job has a number of processors" nowhere.swf
refuses "binary.swf:1: byte 1 is 0x7f" binary.swf
refuses "garbage.swf:" garbage.swf
refuses "missing.swf: cannot be opened" missing.swf
refuses "no workload" --plain
refuses "one workload at a time" "$good" "$good"
refuses "--strategy is 'widest'" --strategy widest "$good"
refuses "--admission is 'soft'" --admission soft "$good"
refuses "--speedup is '0'" --speedup 0 "$good"
refuses "--speedup is 'nan'" --speedup nan "$good"
refuses "--speedup is '-1'" --speedup=-1 "$good"
refuses "--workers is '0'" --workers 0 "$good"
refuses "--workers is '2x'" --workers 2x "$good"
refuses "--jobs is '0'" --jobs 0 "$good"
refuses "--seed is '-1'" --seed=-1 "$good"
refuses "--limit-cpu is '0'" --limit-cpu 0 "$good"
refuses "--limit-memory" --limit-memory 1Q "$good"
refuses "--limit-memory is '0'" --limit-memory 0 "$good"
refuses "--plain admits everything" --plain --strategy best "$good"
refuses "--plain admits everything" --plain --admission hard "$good"
refuses "machine" --machine "numa:4 core:oops" "$good"
refuses "machine" --machine missing.xml "$good"
refuses "memory" --limit-memory 100000T "$good"
refuses "/nonexistent/r: the report cannot be written" --json=/nonexistent/r "$good"
[ "$faults" -eq 0 ]
