// SPDX-License-Identifier: MIT
// fork.cc - the same from C++, through the inlined fast path.
#include <weir/weir.h>

WEIR_FORK_1(long, fib, int, n)
{
	if (n < 2)
		return n;
	WEIR_SPAWN(fib, n - 1);
	long b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}

int main()
{
	weir_pool *pool;
	long result = 0;
	if (weir_pool_create(&pool, nullptr) != WEIR_OK || WEIR_RUN(pool, fib, &result, 20) != WEIR_OK)
		return 1;
	return weir_pool_destroy(pool) != WEIR_OK || result != 6765;
}
