# SPDX-License-Identifier: MIT
# Read by the run_*_test.sh: a folder of its own for each, and checks that say what was found instead.
# WEIR is the program.
set -u
scratch=$(mktemp -d) || exit 1
cd "$scratch" || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0
[ -x "$WEIR" ] || {
	echo "there is no program $WEIR"
	exit 1
}

# The machine of tests that need one with several cores or nodes, whatever runs them. Nothing is bound on it.
four_cores='numa:1 core:4 pu:1'
two_nodes='numa:2 core:2 pu:1'

fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# same <what> <wanted> <found>
same() {
	[ "$2" = "$3" ] || fail "$1: wanted '$2', found '$3'"
}

# holds <what> <file> <extended regular expression>: some line matches
holds() {
	grep -Eq -- "$3" "$2" || fail "$1: no line of $2 matches '$3':
$(cat "$2")"
}

# run <wanted status> <arguments>: weir run with them; input, out, err are files
run() {
	wanted=$1
	shift
	"$WEIR" run "$@" >out 2>err
	status=$?
	[ $status = "$wanted" ] || fail "weir run $*: wanted status $wanted, found $status: $(cat err)"
}

# Wait until a command holds; gives up after a minute.
until_true() {
	tries=0
	while ! eval "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 3000 ] || {
			fail "waited in vain for: $1"
			return 1
		}
		sleep 0.02
	done
}

# column <joblog> <name>: its values in the order of Seq
column() {
	awk -F '\t' -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
		{ print $1 "\t" $at }' "$1" | sort -n | cut -f 2 | tr '\n' ' ' | sed 's/ $//'
}

finish() {
	[ $failures = 0 ] || exit 1
}
