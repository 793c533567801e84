# SPDX-License-Identifier: MIT
# Invariant: what the documents quote as code is there: each function, type, variable and file in `quotes` in docs/ and the
# READMEs is a word of the sources or a file's name. Fails on a document that was left behind by a renaming.
. "$(dirname "$0")/rule.sh"

# Not quoted, or not ours: the interface that was asked for, other programs' names, the beginning of several names.
foreign='^(cds_lfht|CMAKE_PREFIX_PATH|children_are_run_once_|OMP_NUM_THREADS)$'

rule() {
	(
		cd "$1" || exit
		grep -rhoE --exclude-dir=hygiene '[A-Za-z_][A-Za-z0-9_]+' CMakeLists.txt CMakePresets.json include runtime numa tools bench tests |
			LC_ALL=C sort -u >"$scratch/words"
		find . -name build -prune -o -type f -print | sed 's,.*/,,; s/\..*//' | LC_ALL=C sort -u >>"$scratch/words"
		LC_ALL=C sort -u -o "$scratch/words" "$scratch/words"
		# Only what looks like a name: with an underscore inside, or called; `_take` is short for more than one.
		for page in README.md docs/*.md */README.md; do
			grep -o '`[^`]*`' "$page" | sed 's/-D\([A-Z]\)/\1/g' | grep -oE '[A-Za-z0-9_]+(\(\))?' |
				grep -E '^[A-Za-z]+[A-Za-z0-9]*_|^[a-z].*\(' | tr -d '()' |
				LC_ALL=C sort -u | LC_ALL=C comm -23 - "$scratch/words" | grep -vE "$foreign" | sed "s,^,$page: no ,"
		done
	)
}

holds
catches "a function that was renamed" sed -i 's/`ledger_give_slow`/`ledger_give_slower`/' docs/memory-order.md
catches "a test that is gone" sed -i 's/`a_full_deque_refuses`/`a_full_deque_grows`/' docs/invariants.md
catches "a call that never was" append docs/architecture.md '`nobody_calls_this()`'
