/* SPDX-License-Identifier: MIT */
/*
 * loop.c - a loop across the pool whose iterations differ in length: how long numbers take to come to 1 by halving the even
 * ones and making 3 n + 1 of the odd ones.
 */
#include <stdio.h>
#include <weir/weir.h>

enum { NUMBERS = 1000000 };
static uint16_t steps[NUMBERS];

/* A piece of the loop. What it returns other than WEIR_OK ends the loop, and is what weir_parallel_for() returns. */
static weir_status count(int64_t begin, int64_t end, void *longest)
{
	for (int64_t i = begin; i < end; i++) {
		uint16_t n = 0;
		for (uint64_t at = (uint64_t)i; at > 1; n++) {
			if (n == *(const uint16_t *)longest)
				return WEIR_EUSER;
			at = at % 2 ? 3 * at + 1 : at / 2;
		}
		steps[i] = n;
	}
	return WEIR_OK;
}

int main(void)
{
	weir_pool *pool;
	uint16_t longest = 1000;
	if (weir_pool_create(&pool, NULL)) {
		fprintf(stderr, "%s\n", weir_error_text());
		return 1;
	}
	weir_status status = weir_parallel_for(pool, 1, NUMBERS, WEIR_AUTO, count, &longest);
	if (status) {
		fprintf(stderr, "%s\n", weir_status_text(status));
		return 1;
	}
	int most = 1;
	for (int i = 1; i < NUMBERS; i++)
		most = steps[i] > steps[most] ? i : most;
	printf("%d takes %d steps\n", most, steps[most]);
	return weir_pool_destroy(pool) != WEIR_OK || most != 837799;
}
