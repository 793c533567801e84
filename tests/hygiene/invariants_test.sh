# SPDX-License-Identifier: MIT
# Invariant: a name in docs/invariants.md is of one invariant, and each name that a module's head or a check says has its row
# there. Fails on two invariants of one name, as come of two changes side by side, and on one that nobody wrote down.
. "$(dirname "$0")/rule.sh"

rule() {
	sed -n 's/^| \([A-Z][A-Z]*[0-9][0-9]*\) |.*/\1/p' "$1/docs/invariants.md" | LC_ALL=C sort >"$scratch/rows"
	[ -s "$scratch/rows" ] || echo "docs/invariants.md: its table was not found"
	uniq -d "$scratch/rows" | sed 's/$/: more than one row in docs\/invariants.md/'
	for file in $(sources "$1" include runtime numa tools); do
		sed -nE -e '1,40s/^ \*( Invariant:|           ) ([A-Z][0-9]+)  .*/\2/p' \
			-e 's/.*CHECK\("([A-Z][0-9]+)".*/\1/p' "$1/$file"
	done | LC_ALL=C sort -u | LC_ALL=C comm -23 - "$scratch/rows" | sed 's/$/: in the sources, no row in docs\/invariants.md/'
}

holds
catches "two of one name" sed -i 's/^| B2 |/| B1 |/' docs/invariants.md
catches "a name beside one's own, as a merge leaves it" sh -c 'grep "^| K2 |" docs/invariants.md | sed "s/credit/token/" >>docs/invariants.md'
catches "a head's that was not written down" sed -i 's/^ \* Invariant: U3  / * Invariant: U99  /' runtime/budget.c
catches "a check's that was not written down" sed -i 's/CHECK("B6"/CHECK("B66"/' runtime/membarrier.c
catches "a table that is not found" sed -i 's/^|/||/' docs/invariants.md
