# SPDX-License-Identifier: MIT
# Invariant: functions with a result and without cannot be taken for each other: who does is told so in a line, as C and as C++; and
# what is right compiles, optimised or not. Fails on a macro that swallows a result, or answers with something else.
. "$(dirname "$0")/rule.sh"
CC=${CC:-cc}
command -v c++ >/dev/null || exit 77

# compile TREE LANGUAGE LINE FLAG...: two functions, then LINE.
compile() {
	tree=$1 language=$2 line=$3
	shift 3
	compiler="$CC -std=c17 -pedantic"
	[ "$language" = c ] || compiler="c++ -std=c++17"
	# shellcheck disable=SC2086
	printf '%s\n' '#include <weir/weir.h>' \
		'WEIR_FORK_VOID_1(none, int, n) { if (n) { WEIR_SPAWN(none, n - 1); WEIR_JOIN(none); } }' \
		'WEIR_FORK_1(long, some, int, n) { if (n) { WEIR_SPAWN(some, n - 1); return WEIR_JOIN(some); } return 0; }' "$line" |
		LC_ALL=C $compiler -c -o /dev/null -Wall -Wextra -Werror -x "$language" -I"$tree/include" "$@" - >"$scratch/why" 2>&1
}

# refused TREE WHAT LINE: does not compile, and an error of the first two says WHAT (a pattern: compilers differ).
refused() {
	for language in c c++; do
		if compile "$1" $language "$3"; then
			echo "compiles as $language: $3"
		elif ! grep error "$scratch/why" | head -2 | grep -Eq "$2"; then
			echo "$3: no word of $2, but: $(grep -m1 error "$scratch/why")"
		fi
	done
}

rule() {
	run='weir_status run(weir_pool *pool); weir_status run(weir_pool *pool)'
	for flag in -O0 -O2; do
		for language in c c++; do
			compile "$1" $language "$run { long out; return WEIR_RUN(pool, some, &out, 1) ? WEIR_OK : WEIR_RUN(pool, none, 1); }" $flag ||
				echo "does not compile as $language with $flag: $(grep -m1 error "$scratch/why")"
		done
	done
	refused "$1" 'too many arguments|no matching function' "$run { long out; return WEIR_RUN(pool, none, &out, 1); }"
	refused "$1" 'too few arguments|no matching function' "$run { return WEIR_RUN(pool, some, 1); }"
	refused "$1" 'void' 'WEIR_FORK_1(long, bad, int, n) { WEIR_SPAWN(none, n); return WEIR_JOIN(none); }'
	refused "$1" 'return.*value' 'WEIR_FORK_VOID_1(bad, int, n) { return n; }'
	refused "$1" 'without a result it is WEIR_FORK_VOID_n' 'WEIR_FORK_1(void, bad, int, n) { (void)n; }'
	refused "$1" 'WEIR_FORK_VOID_1|too many arguments' 'WEIR_FORK_VOID_1(void, bad, int, n) { (void)n; }'
	refused "$1" 'over 48 bytes' 'struct large { long n[7]; }; WEIR_FORK_VOID_1(bad, struct large, n) { (void)n; }'
}

holds
catches "a result of no type" sed -i 's/^\tVALUED(WEIR_STATIC_ASSERT_.*/\\/' include/weir/fork.h
catches "a place for a result that there is not" sed -i 's/VALUED(R \*weir_r_ WEIR_COMMA_)/void *weir_r_,/' include/weir/fork.h
