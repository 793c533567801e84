/* SPDX-License-Identifier: MIT */
/*
 * fork.c - fork-join: the largest of many numbers, halves at a time. One half is spawned, the other is called, and then the
 * first is joined: run here if nobody took it. Spawns and joins nest like brackets.
 */
#include <stdio.h>
#include <weir/weir.h>

enum { NUMBERS = 1000000, SMALL = 1000 };

static int number[NUMBERS];

/* Result, name, then type and name of each argument. */
WEIR_FORK_2(int, largest, const int *, begin, const int *, end)
{
	if (end - begin <= SMALL) {
		int most = *begin;
		for (const int *at = begin; at < end; at++)
			most = *at > most ? *at : most;
		return most;
	}
	const int *middle = begin + (end - begin) / 2;
	WEIR_SPAWN(largest, begin, middle);
	int right = WEIR_CALL(largest, middle, end);
	int left = WEIR_JOIN(largest);
	return left > right ? left : right;
}

int main(void)
{
	for (int i = 0; i < NUMBERS; i++)
		number[i] = (int)((int64_t)i * 7919 % NUMBERS); /* each of 0 to NUMBERS - 1 once */
	weir_pool *pool;
	if (weir_pool_create(&pool, NULL))
		return puts(weir_error_text()), 1;
	int most = 0;
	weir_status status = WEIR_RUN(pool, largest, &most, number, number + NUMBERS);
	if (status)
		puts(weir_error_text());
	else
		printf("the largest is %d\n", most);
	return weir_pool_destroy(pool) || status || most != NUMBERS - 1;
}
