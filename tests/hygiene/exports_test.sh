# SPDX-License-Identifier: MIT
# Invariant: libweir.so and libweir.a define exactly the symbols of runtime/exports.txt for others, and these are exactly
# the functions that include/weir declares. Fails on an internal name that leaks and on a public one that is missing.
. "$(dirname "$0")/rule.sh"

rule() {
	LC_ALL=C sort -u "$1/runtime/exports.txt" >"$scratch/listed"
	LC_ALL=C sort -c "$1/runtime/exports.txt" 2>&1
	for header in $(sources "$1" include/weir); do
		code "$1/$header" | awk '/^#/ { next } /WEIR_API/ { on = 1 } on { text = text " " $0 } on && /;/ { print text; text = ""; on = 0 }'
	done | sed -n -e 's/^[^(]*[ *]\(weir_[a-z0-9_]*\)(.*/\1/p' -e 's/.* extern .*[ *]\(WEIR_[A-Z_]*\);.*/\1/p' | LC_ALL=C sort -u >"$scratch/declared"
	nm -D --defined-only "${2:-$BUILD}/libweir.so" | awk '{ print $3 }' | LC_ALL=C sort -u >"$scratch/shared"
	nm -g --defined-only "${2:-$BUILD}/libweir.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u >"$scratch/static"
	for where in declared shared static; do
		LC_ALL=C comm -23 "$scratch/listed" "$scratch/$where" | sed "s/\$/: in runtime\/exports.txt, not $where/"
		LC_ALL=C comm -13 "$scratch/listed" "$scratch/$where" | sed "s/\$/: $where, not in runtime\/exports.txt/"
	done
}

holds
catches "an export that nobody reviewed" sed -i '/^weir_version$/d' runtime/exports.txt
catches "a listed symbol that is not there" sh -c 'echo weir_zzz >>runtime/exports.txt'
catches "a declaration without a definition" append include/weir/status.h 'WEIR_API int weir_zzz(void);'
