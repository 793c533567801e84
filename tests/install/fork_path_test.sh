# SPDX-License-Identifier: MIT
# Invariant: F8, what users compile of a spawn and a join has no locked instruction, no fence and no store to a variable,
# calls nothing but slow paths, and is at most that many instructions, none more without a result; and what the slow
# paths return arrives. Fails on a counter, an ordered atomic or a function call in the private path of <weir/fork.h>.
# Counted with $CC, and with clang if it is there; without valgrind only the code is looked at.
set -eu
# counted: gcc 12 26.7, clang 14 40.1; a counter is 2 with its address, a call 6 and more, gcc without its loop is 38
MOST_GCC=28 MOST_CLANG=42
command -v objdump >/dev/null || exit 77
[ "$(uname -m)" = x86_64 ] || exit 77
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Without what is for debuggers: valgrind 3.19 gives up over clang's (DWARF 5).
objcopy --strip-debug "$BUILD/libweir.so" "$scratch/libweir.so"
soname=$(objdump -p "$scratch/libweir.so" | awk '$1 == "SONAME" { print $2 }')
ln -s libweir.so "$scratch/$soname"
cat >"$scratch/fib.c" <<'END'
#include <stdlib.h>
#include <weir/weir.h>
WEIR_FORK_1(RESULT, fib, int, n)
{
	if (n < 2)
		return (RESULT)n;
	WEIR_SPAWN(fib, n - 1);
	RESULT b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}
int main(int count, char **word)
{
	weir_pool *pool;
	RESULT result;
	if (count < 2 || weir_pool_create(&pool, WEIR_OPTIONS(.workers = 1, .no_pinning = true)) ||
	    WEIR_RUN(pool, fib, &result, atoi(word[1])) || weir_pool_destroy(pool))
		return 1;
	if (count < 3)
		return 0;
	/* Through the slow paths: without room, and with others. */
	for (unsigned workers = 1; workers <= 4; workers++) {
		if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = workers, .forks_max = workers % 2 ? 3 : 0)))
			return 1;
		for (int i = 0; i < 20; i++)
			if (WEIR_RUN(pool, fib, &result, 22) || result != 17711)
				return 2;
		if (weir_pool_destroy(pool))
			return 1;
	}
	return 0;
}
END

# The same tree without a result; and with one that nobody needs.
cat >"$scratch/void.c" <<'END'
#include <stdlib.h>
#include <weir/weir.h>
WEIR_FORK_VOID_1(fib, int, n)
{
	if (n < 2)
		return;
	WEIR_SPAWN(fib, n - 1);
	WEIR_CALL(fib, n - 2);
	WEIR_JOIN(fib);
}
int main(int count, char **word)
{
	weir_pool *pool;
	int result = 0;
	return count < 2 || weir_pool_create(&pool, WEIR_OPTIONS(.workers = 1, .no_pinning = true)) ||
	       WEIR_RUN(pool, fib, atoi(word[1])) || weir_pool_destroy(pool) || result;
}
END
sed 's/VOID_1(/1(int, /; s/return;/return 0;/; s/WEIR_JOIN(fib);/return &/; s/RUN(pool, fib,/& \&result,/' "$scratch/void.c" >"$scratch/valued.c"

# What stands in the private path: the body, without what the compiler moved out as cold, and without what follows a call of
# a slow path.
hot() {
	objdump -d --no-show-raw-insn "$1" | awk '/^[0-9a-f]+ <.*>:$/ { on = /<fib_weir_body[^>]*>:/ && !/cold/ } on'
}

forbidden() {
	hot "$1" | grep -E '[[:space:]](lock|[lms]fence|xchg[a-z]* .*\(|cmpxchg|xadd)' && return
	# A store to a variable of the program's, which all workers share: locked or not, its line goes from core to core.
	hot "$1" | grep -E '\(%rip\)( .*)?$' | grep -vE '[[:space:]](mov[a-z]*|lea[a-z]*|cmp[a-z]*|test[a-z]*|add[a-z]*|sub[a-z]*|or[a-z]*|and[a-z]*)[[:space:]]+[^,]*\(%rip\),%|[[:space:]](cmp|test|nop|j|call)' && return
	hot "$1" | grep -E '[[:space:]]call' | grep -vE '<(fib_weir_|weir_fork_)'
}

# Instructions of one spawn and join of fib(20), counted inside the task alone: what workers do while they wait varies.
instructions() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=fib_weir_task "$1" 20 2>&1 |
		sed -n 's/.*Collected : //p' | awk '{ total = $1 } END { if (NR != 1) exit 1; printf "%.1f", total / 10945 }'
}

compile() {
	"$1" -std=gnu17 -O3 ${3:+-DRESULT="$3"} -I"$SOURCE/include" "$scratch/$2.c" -o "$scratch/$2" -L"$scratch" -lweir \
		-Wl,-rpath,"$scratch"
}

judge() {
	cc=$1 result=$2
	compile "$cc" fib "$result"
	[ -n "$(hot "$scratch/fib")" ] || {
		echo "$cc: no fib_weir_body to look at"
		exit 1
	}
	if forbidden "$scratch/fib"; then
		echo "$cc: that does not belong into the private path"
		exit 1
	fi
	"$scratch/fib" 1 slow || {
		echo "$cc: a wrong result"
		exit 1
	}
	if ! command -v valgrind >/dev/null; then
		echo "$cc: no valgrind, so instructions are not counted"
		return
	fi
	most=$MOST_GCC
	if "$cc" -dM -E -x c /dev/null | grep -q __clang__; then
		most=$MOST_CLANG
	fi
	each=$(instructions "$scratch/fib")
	echo "$cc: $each instructions for each spawn and join with $result"
	awk -v each="$each" -v most=$most 'BEGIN { exit !(each > 5 && each <= most) }' || {
		echo "$cc: more than $most"
		exit 1
	}
}

# A function without a result is none the worse for it.
judge_void() {
	compile "$1" void
	compile "$1" valued
	if forbidden "$scratch/void"; then
		echo "$1: that does not belong into the private path of a function without a result"
		exit 1
	fi
	command -v valgrind >/dev/null || return 0
	void=$(instructions "$scratch/void") valued=$(instructions "$scratch/valued")
	echo "$1: $void instructions without a result, $valued with one that nobody needs"
	awk -v void="$void" -v valued="$valued" 'BEGIN { exit !(void > 5 && void <= valued) }' || exit 1
}

for compiler in "$CC" clang-14 clang; do
	command -v "$compiler" >/dev/null || continue
	judge_void "$compiler"
	judge "$compiler" int
	judge "$compiler" uint64_t
done

# The rule must notice a locked addition.
sed 's/WEIR_SPAWN(fib/__atomic_fetch_add(\&spawns, 1, __ATOMIC_RELAXED);&/; s/^WEIR_FORK_1/static int spawns;&/' "$scratch/fib.c" >"$scratch/counted.c"
"$CC" -std=gnu17 -O3 -DRESULT=int -I"$SOURCE/include" "$scratch/counted.c" -o "$scratch/counted" -L"$BUILD" -lweir
forbidden "$scratch/counted" >/dev/null || {
	echo "a locked addition is not noticed"
	exit 1
}

# And a plain one, which is as bad for others.
sed 's/WEIR_SPAWN(fib/spawns++;&/; s/^WEIR_FORK_1/static volatile int spawns;&/' "$scratch/fib.c" >"$scratch/counted.c"
"$CC" -std=gnu17 -O3 -DRESULT=int -I"$SOURCE/include" "$scratch/counted.c" -o "$scratch/counted" -L"$BUILD" -lweir
forbidden "$scratch/counted" >/dev/null || {
	echo "a plain addition to what all share is not noticed"
	exit 1
}
