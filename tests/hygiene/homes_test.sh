# SPDX-License-Identifier: MIT
# Invariant: atomics, time, RCU and each foreign library have one home; homes.txt lists who may use what, and why. Fails
# on a use elsewhere, and on a permission that nobody uses any more.
. "$(dirname "$0")/rule.sh"

rule() {
	for file in $(sources "$1" include runtime numa tools bench); do
		code "$1/$file" | sed "s,^,$file: ,"
	done | awk -f "$1/tests/hygiene/homes.awk" "$1/tests/hygiene/homes.txt" -
}

holds
catches "an atomic outside atomics.h" append runtime/error.c 'static _Atomic(int) n; int f(void); int f(void) { return atomic_load(&n); }'
catches "a builtin atomic" append runtime/error.c 'int f(int *n); int f(int *n) { return __atomic_load_n(n, __ATOMIC_RELAXED); }'
catches "a clock of one's own" append runtime/error.c 'long f(void); long f(void) { return time(NULL); }'
catches "hwloc outside the topology" append runtime/error.c '#include <hwloc.h>'
catches "RCU by hand" append runtime/error.c 'void f(void); void f(void) { urcu_memb_read_lock(); }'
catches "jemalloc by hand" append runtime/error.c 'void *f(void); void *f(void) { return mallocx(1, 0); }'
catches "a permission without a use" append tests/hygiene/homes.txt 'clock runtime/error.c "never"'
