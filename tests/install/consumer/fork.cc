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

WEIR_FORK_VOID_3(fill, long *, begin, long *, end, long, value)
{
	if (end - begin == 1) {
		*begin = value;
		return;
	}
	long *middle = begin + (end - begin) / 2;
	WEIR_SPAWN(fill, begin, middle, value);
	WEIR_CALL(fill, middle, end, value);
	WEIR_JOIN(fill);
}

static long filled(weir_pool *pool)
{
	long number[100] = {}, sum = 0;
	if (WEIR_RUN(pool, fill, number, number + 100, 7) != WEIR_OK)
		return -1;
	for (long one : number)
		sum += one;
	return sum;
}

static weir_status fold(int64_t begin, int64_t end, void *accumulator, void *)
{
	for (int64_t i = begin; i < end; i++)
		*static_cast<int64_t *>(accumulator) += i;
	return WEIR_OK;
}

static void combine(void *accumulator, const void *right, void *)
{
	*static_cast<int64_t *>(accumulator) += *static_cast<const int64_t *>(right);
}

static int64_t sum(weir_pool *pool, int64_t end)
{
	const int64_t zero = 0;
	int64_t result = -1;
	weir_reduction how = {};
	how.size = sizeof(how);
	how.identity = &zero;
	how.bytes = sizeof(zero);
	how.fold = fold;
	how.combine = combine;
	return weir_parallel_reduce(pool, 0, end, &how, &result) ? -1 : result;
}

int main()
{
	weir_pool *pool;
	long result = 0;
	weir_options options = {};
	options.size = sizeof(options);
	options.layout = WEIR_LAYOUT;
	options.workers = 2;
	if (weir_pool_create(&pool, &options) != WEIR_OK || WEIR_RUN(pool, fib, &result, 20) != WEIR_OK)
		return 1;
	if (sum(pool, 1000) != 499500 || filled(pool) != 700)
		return 1;
	return weir_pool_destroy(pool) != WEIR_OK || result != 6765;
}
