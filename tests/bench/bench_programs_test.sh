# SPDX-License-Identifier: MIT
# Each workload of the programs of weir and of the floor comes to its answer, so that they cannot rot: run once, short, with as
# many threads as they offer at most, and its rows are as PROTOCOL.md says, which the driver checks. No time is judged. Peers
# that are installed are not run here: they are not ours to test.
set -u
DRIVER=$BUILD/bench/bench_driver
[ -s "$BUILD/bench/programs.txt" ] || {
	echo "no benchmark programs in this build"
	exit 77
}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
grep -E '^program	(weir|floor)	' "$BUILD/bench/programs.txt" >"$scratch/programs"
missing=$(sed -n 's/^missing	weir	[^	]*	//p' "$BUILD/bench/programs.txt")
[ -z "$missing" ] || echo "skipped: $missing"

status=0
# The greatest thread count of each workload in weir's programs.
while IFS='	' read -r kind peer program; do
	[ "$peer" = weir ] && "$program" list
done <"$scratch/programs" | sed 's/\([^ ]*\) .*[^0-9]\([0-9]*\)+*$/\1 \2/; s/+$//' >"$scratch/workloads"
[ -s "$scratch/workloads" ] || {
	echo "weir's programs have no workload"
	exit 1
}
for threads in $(cut -d ' ' -f 2 "$scratch/workloads" | sort -nu); do
	only=$(sed -n "s/ $threads\$//p" "$scratch/workloads" | paste -sd ,)
	"$DRIVER" --programs="$scratch/programs" --promises="$SOURCE/bench/promises.txt" --out="$scratch" --quick --rounds=1 \
		--timeout=60 --only="$only" --threads="$threads" >"$scratch/table" 2>"$scratch/told" || {
		cat "$scratch/told"
		status=1
	}
done
exit $status
