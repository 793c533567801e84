# SPDX-License-Identifier: MIT
# driver_lib.sh - the driver beside programs that are none. Sourced by the tests here, in a folder of their own.
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
printf '#!/bin/sh\n' >empty
chmod +x nolist empty
printf 'fib * slow ratio 0.5\nfib 1 - value 1\nuts 1 lace ratio 1\n' >promises

# run <wanted status> <programs> <options>...: report.json, table, told are files. Looks for noise are short, as no time is judged.
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
	"$DRIVER" --programs=programs --promises=promises --out=. --results=. --commit=abc --quick --rounds=3 --look=50 "$@" >table 2>told
	status=$?
	[ $status = "$wanted" ] || fail "$list $*: wanted status $wanted, found $status: $(cat told)"
}
