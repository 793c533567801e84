# SPDX-License-Identifier: MIT
# Invariant: what inlined fork-join code says that its slow paths lose (F10) is known to the compiler's target: it compiles without
# x87, without MMX and with AVX-512, and who spawns a function that was defined for another target is told.
. "$(dirname "$0")/rule.sh"
CC=${CC:-cc}
[ "$(uname -m)" = x86_64 ] || exit 77
# clang knows all registers whatever the target, and its pragmas set no macro.
! echo __clang__ | "$CC" -E - | grep -q '^1' || exit 77

# compiles TREE BETWEEN FLAG...: one function, and after BETWEEN another that spawns it.
compiles() {
	tree=$1 between=$2
	shift 2
	printf '%s\n' '#include <weir/weir.h>' 'WEIR_FORK_1(long, one, long, n)' '{' 'return n;' '}' "$between" \
		'WEIR_FORK_1(long, two, long, n)' '{' 'WEIR_SPAWN(one, n);' 'return WEIR_JOIN(one);' '}' \
		'long run(weir_pool *pool);' 'long run(weir_pool *pool)' '{' 'long out = 0;' \
		'return WEIR_RUN(pool, two, &out, 1) ? 0 : out;' '}' |
		"$CC" -O2 -std=c17 -S -o "$scratch/out.s" -Wall -Wextra -Werror -x c -I"$tree/include" "$@" - >"$scratch/why" 2>&1
}

rule() {
	for flag in -O0 -mno-80387 -mno-mmx -mavx512f; do
		compiles "$1" '' "$flag" || echo "fork.h does not compile with $flag: $(grep -m1 error "$scratch/why")"
	done
	! compiles "$1" '#pragma GCC target("avx512f")' -O2 ||
		echo "a function for AVX-512 may spawn one that says nothing of its registers"
}

holds
catches "nobody looks at the target" sed -i 's/^#define WEIR_SAME_(target).*/#define WEIR_SAME_(target) ((void)0)/' include/weir/fork.h
catches "x87 registers for who has none" sed -i 's/ || !defined(_SOFT_FLOAT)/ || 1/' include/weir/fork.h
