# SPDX-License-Identifier: MIT
# J1: what runs at any instant needs no more than the limits. Each command notes its start after its grant and its end
# before the grant goes back, so the sum over the notes can only be too small to notice, never too large; the commands
# sleep long enough to overlap where nothing holds them. J2: a job that can never fit is told and the rest runs.
. "$SOURCE/tests/tool/run_lib.sh"

# most <notes>: the largest running sum
most() {
	awk '{ sum += $1; if (sum > most) most = sum } END { print most }' "$1"
}

# note <amount> <demand>: a job line
note() {
	echo "$2 -- echo +$1 >>notes; sleep 0.05; echo -$1 >>notes"
}

# kept <what> <limit> <options>: runs ./jobs
kept() {
	what=$1 limit=$2
	shift 2
	rm -f notes
	run 0 jobs --machine "$four_cores" "$@"
	found=$(most notes)
	[ "$found" -le "$limit" ] || fail "$what: a limit of $limit, $found at once"
	same "$what: starts and ends" "$(wc -l <jobs) $(wc -l <jobs)" "$(grep -c '^+' notes) $(grep -c '^-' notes)"
}

for i in 1 2 3 4 5; do
	note 1 cores=1
	note 2 cores=2
	note 1 'cores=1 class=high'
done >jobs
kept 'cores' 2 --limit-cpu 2
kept 'cores, best fit' 3 --limit-cpu 3 --strategy best
kept 'cores, worst fit and watermark' 4 --strategy worst --admission watermark

for i in 1 2 3 4; do
	note 1 'cores=0.25 memory=10M'
	note 2 'cores=0.25 memory=20M'
	note 3 'cores=0 memory=30M'
done >jobs
kept 'memory' 4 --limit-memory 40M

for i in 1 2 3 4 5 6; do
	note 1 'cores=0.1 gpu=1'
	note 2 'cores=0.1 gpu=2'
done >jobs
kept 'a counted resource' 3 --limit gpu=3

for i in 1 2 3 4 5 6 7 8 9 10; do
	note 1 'cores=0.1'
done >jobs
kept 'commands' 2 -j 2
kept 'commands, beside other counted things' 3 -j 3 --limit a=1 --limit b=1 --limit c=1

# As many as fit do run at once: each of these waits for the others.
for i in 1 2 3 4; do
	echo "cores=1 -- touch here.$i; until [ -e here.1 -a -e here.2 -a -e here.3 -a -e here.4 ]; do sleep 0.02; done"
done >jobs
run 0 jobs --machine "$four_cores" --timeout 60
# Many more than there are workers, as they sleep.
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	echo "cores=0.0625 -- touch there.$i; [ \$(ls there.* | wc -l) = 40 ] && touch all; until [ -e all ]; do sleep 0.05; done"
done >jobs
run 0 jobs --machine "$four_cores" --timeout 60

# What can never fit is refused with its line, and the rest runs.
cat >jobs <<'EOF'
echo first
cores=5 -- echo too many cores
memory=2G -- echo too much memory
gpu=3 -- echo too many gpus
node=7 -- echo no such node
echo last
EOF
run 4 jobs -k --machine "$four_cores" --limit-memory 1G --limit gpu=2 --joblog log
same 'the rest' 'first,last,' "$(tr '\n' ',' <out)"
for line in 2 3 4; do
	holds 'refusal' err "^jobs:$line: infeasible: "
done
holds 'refusal' err '^jobs:5: infeasible: node=7: the machine has 1 node, counted from 0'
holds 'summary' err '6 commands: 2 succeeded, 4 infeasible'
same 'job log of those that ran' '1 6' "$(column log Seq)"

# Why, in the words of a job list, by a dry run too.
cat >jobs <<'EOF'
bandwidth=1G -- echo no bandwidth
cores=0 -- echo nothing
EOF
for dry in '' --dry-run; do
	# shellcheck disable=SC2086
	run 2 jobs $dry
	holds 'refusal' err '^jobs:1: infeasible: .*--limit-bandwidth'
	holds 'refusal' err '^jobs:2: infeasible: it asks for nothing: give cores, memory'
done

# A machine or limit that makes no sense is an error.
echo 'touch ran' >jobs
for wrong in '--machine nonsense:x' '--machine none.xml' '--limit-cpu 0' '--limit-cpu x' '--limit-cpu -1' \
	'--limit-memory 12Q' '--limit gpu' '--limit gpu=' '--limit =3' '--limit cores=3' '--limit gpu=-1' \
	'--limit a=1 --limit a=2' '--limit a=1 --limit b=1 --limit c=1 --limit d=1 --limit e=1' \
	'--limit a=1 --limit b=1 --limit c=1 --limit d=1 -j 2' '--strategy tetris' '--admission perhaps' '-j 0' '-j x' \
	'--default-demand cores=x' '--default-demand gpu=1' '--halt now' '--halt soon,fail=0' '--halt now,fail=1%' \
	'--retries 0' '--timeout 0' '--timeout 1w' '--timeout nan' '--joblog /nonexistent/log' '--record /nonexistent/r' \
	'--nonsense' 'one two'; do
	# shellcheck disable=SC2086 # words are meant to be split
	run 255 jobs $wrong
	[ -s err ] || fail "weir run $wrong: no message"
done
run 255 jobs --limit gpu=0
holds 'the whole argument' err '--limit=gpu=0: give'
run 255 jobs --halt now,fail=0
holds 'the whole argument' err '--halt=now,fail=0: give'
[ ! -e ran ] || fail 'something ran with wrong options'

# Less than the smallest unit is no limit of nothing; and what there is one of is one.
run 255 jobs --limit-memory 1
holds 'a limit below a unit' err 'memory_bytes is 1: less than the smallest unit, 4096'
printf 'cores=5 -- true\n' >jobs
run 1 jobs --limit-cpu 1 --machine "$four_cores"
holds 'one core' err '5 cores where 1 core is the most'
finish
