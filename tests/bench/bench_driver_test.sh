# SPDX-License-Identifier: MIT
# The driver beside programs that are none: they print rows, fail, hang, print rubbish. Each must cost its own column and no
# other, be told with the reason, and be seen in the exit status. Fails if a failing program is believed, or if it takes others
# with it.
set -u
DRIVER=$BUILD/bench/bench_driver
[ -x "$DRIVER" ] || {
	echo "there is no $DRIVER"
	exit 1
}
scratch=$(mktemp -d) || exit 1
cd "$scratch" || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# holds <what> <file> <extended regular expression>
holds() {
	grep -Eq -- "$3" "$2" || fail "$1: no line of $2 matches '$3': $(cat "$2")"
}

# program <name> <what `run` does>: $2 is the workload, $3 the threads
program() {
	{
		printf '#!/bin/sh\n'
		printf '[ "$1" = list ] && { printf "fib 1,2\\nuts 1\\n"; exit 0; }\n'
		printf '%s\n' "$2"
	} >"$1"
	chmod +x "$1"
}

# row <peer> <value>: what prints it
row() {
	printf 'printf %s "$2" "$3"' "'{\"workload\":\"%s\",\"peer\":\"$1\",\"threads\":%s,\"value\":$2}\\n'"
}

program good "$(row weir 2)"
program slow "$(row slow 8)"
program fails 'echo first >&2; echo "the answer is wrong" >&2; exit 1'
program dies 'kill -SEGV $$'
program hangs 'sleep 60 & sleep 60'
program rubbish 'echo hello'
program odd "[ \"\$2\" = uts ] && exit 3; $(row odd 4)"
printf '#!/bin/sh\necho no list\n' >nolist
chmod +x nolist
printf 'fib * slow ratio 0.5\nfib 1 - value 1\nuts 1 lace ratio 1\n' >promises

# run <wanted status> <programs> <options>...: report.json, table, told are files
run() {
	wanted=$1 list=$2
	shift 2
	: >programs
	for name in $list; do
		case $name in
		good) peer=weir ;;
		*) peer=$name ;;
		esac
		printf 'program\t%s\t%s/%s\n' "$peer" "$scratch" "$name" >>programs
	done
	printf 'missing\tlace\tfib,uts\tnot given\n' >>programs
	"$DRIVER" --programs=programs --promises=promises --out=. --results=. --commit=abc --quick --rounds=2 "$@" >table 2>told
	status=$?
	[ $status = "$wanted" ] || fail "$list $*: wanted status $wanted, found $status: $(cat told)"
}

run 0 "good slow"
holds "rows" report.json '"workload": "fib"'
holds "a ratio" report.json '"ratio": 0.25'
holds "a peer that is missing" report.json '"state": "not run"'
holds "a table" table '^  slow .* 8.00 .* 0.25 <=0.5 kept'
holds "a missed promise" table 'fib +1 thread +at most 1 ns: 2.00, missed'
holds "a promise beside a missing peer" table 'at most 1 x lace: not judged \(not given\)'
holds "a page" report.html '</html>'
# A line of links without blanks between them cannot break, and ran out of the page.
holds "links that can be broken" report.html '^<a href="#uts">uts</a>$'
if grep -Eq 'https?:|<script|<link|@import|url\(' report.html; then fail "the page loads something"; fi
[ ! -e "$(echo *-bench.json)" ] || fail "kept without --keep"
cp report.json before.json

run 1 "good slow" --strict --only fib --threads 1
holds "only one count" table '^fib, ns +1 thread +weir / it( +\(noisy\))?$'
if grep -q uts table; then fail "--only fib: uts was run"; fi

run 0 "good slow" --keep --only fib
[ -s "$(echo *-bench.json)" ] && [ -s "$(echo *-bench.txt)" ] || fail "--keep: nothing is kept"

run 0 "good slow fails dies rubbish odd nolist"
holds "who fails says why" told 'fails, fib, 1 threads: exit status 1: the answer is wrong'
holds "a signal" told 'dies, fib, 1 threads: ended by signal 11'
holds "rubbish" told "rubbish, fib, 1 threads: no JSON object: 'hello'"
holds "no list" table 'failed: nolist: list: .no list. is no WORKLOAD THREADS'
holds "in one workload alone" told 'odd, uts, 1 threads: exit status 3'
holds "the others go on" table '^  slow .* 8.00'
holds "and so does who fails elsewhere" table '^  odd .* 4.00'
holds "a failure as JSON" report.json '"state": "failed"'
[ "$(grep -c '^bench: fails, fib, 1 threads' told)" = 1 ] || fail "who failed was run again"

run 0 "good hangs" --only uts --timeout 1
holds "who hangs" told 'hangs, uts, 1 threads: not done after 1'

run 0 "slow"
holds "without weir" report.json '"weir_ns": null'

# Weir's own failure is the run's; the peer of the first program is weir.
program bad_good 'exit 1'
mv good kept_good
mv bad_good good
run 2 "good slow" --only uts
holds "weir fails" table 'failed: weir, uts, 1 threads: exit status 1'
mv kept_good good

# A finished program from outside takes the place of what is missing.
program outside "$(row lace 2)"
run 0 "good slow" --peer "lace=$scratch/outside" --only uts
holds "a peer from outside" table '^  lace .* 1.00 <=1 kept'

# A name as long as can be stays in the picture.
program a_name_of_thirty_letters_and_1 "$(row a_name_of_thirty_letters_and_1 4)"
run 0 "good a_name_of_thirty_letters_and_1" --only uts
holds "a long name" report.html 'textLength="120" .*>a_name_of_thirty_letters_and_1<'

run 2 "good" --only nothing
holds "an unknown workload, and those there are" told '^bench: --only nothing: no program has that workload; there are fib uts$'
run 2 "good" --threads 7
run 2 "good" --rounds 0
holds "rounds" told '^bench: --rounds 0: give a whole number from 1 to 64'
run 2 "good" --threads 1,x
run 2 "good" --peer lace
holds "a peer without a prefix" told '^bench: --peer lace: give NAME=PREFIX'
run 2 "good" --peer lace=/nowhere
holds "a prefix that is not there" told '/nowhere: No such file'
run 2 "good" --peer mine=/tmp
holds "a peer without a program" told 'there is no program to compile for a peer of that name'
run 2 "good" --no-such-option
run 2 "good" compile
"$DRIVER" --help >help || fail "--help"
for option in $(grep -oE '^ +-?-?,? *--[a-z]+' help | tr -d ' ,'); do
	"$DRIVER" "$option=x" >/dev/null 2>told || :
	if grep -q unrecognized told; then fail "--help names $option, which there is not"; fi
done

# compare: two reports, the second slower.
sed 's/"weir_ns": 2.0/"weir_ns": 3.0/' before.json >after.json
"$DRIVER" compare before.json after.json >table 2>told
[ $? = 1 ] || fail "compare: a regression is not status 1: $(cat table told)"
holds "a regression" table '^fib +1 ns .* SLOWER'
"$DRIVER" compare after.json before.json >table || fail "compare: what is faster is no regression"
"$DRIVER" compare before.json before.json >table || fail "compare: the same is no regression"
sed 's/"machine": "/&another /' after.json >elsewhere.json
"$DRIVER" compare before.json elsewhere.json >table || fail "compare: on another machine times do not count"
sed 's/"weir_spread": [0-9.]*/"weir_spread": null/' before.json >once.json
"$DRIVER" compare once.json once.json >table || fail "compare: one round is no regression"
holds "one round" table '^fib +1 ns .* - +one round says nothing'
if grep -q nan table; then fail "one round: a spread that is no number is shown: $(cat table)"; fi
"$DRIVER" compare before.json elsewhere.json >table
holds "another machine" table '^Not the same machine'
echo '{' >broken.json
"$DRIVER" compare before.json broken.json >table 2>told
[ $? = 2 ] || fail "compare: a broken file is not status 2"
holds "a broken file" told '^bench: compare: broken.json:'
"$DRIVER" compare before.json 2>told
[ $? = 2 ] || fail "compare: one file is not status 2"
exit $((failures > 0))
