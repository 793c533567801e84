/* SPDX-License-Identifier: MIT */
/*
 * quicksort.c - fork-join without a result: what is below the pivot is sorted beside what is not, in place. WEIR_JOIN() is
 * where the spawned part is in order for sure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

enum { NUMBERS = 1000000, SMALL = 1000 };

static int number[NUMBERS];

static int ascending(const void *a, const void *b)
{
	const int *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void swap(int *a, int *b)
{
	int kept = *a;
	*a = *b;
	*b = kept;
}

/* What is below the one in the middle comes before it; where it is then. */
static int *divide(int *begin, int *end)
{
	int *last = end - 1, *next = begin;
	swap(begin + (end - begin) / 2, last);
	for (int *at = begin; at < last; at++)
		if (*at < *last)
			swap(at, next++);
	swap(next, last);
	return next;
}

/* Name, then type and name of each argument. */
WEIR_FORK_VOID_2(sort, int *, begin, int *, end)
{
	if (end - begin <= SMALL) {
		qsort(begin, (size_t)(end - begin), sizeof(*begin), ascending);
		return;
	}
	int *pivot = divide(begin, end);
	WEIR_SPAWN(sort, begin, pivot);
	WEIR_CALL(sort, pivot + 1, end);
	WEIR_JOIN(sort);
}

int main(void)
{
	for (int i = 0; i < NUMBERS; i++)
		number[i] = (int)((int64_t)i * 7919 % NUMBERS); /* each of 0 to NUMBERS - 1 once */
	weir_pool *pool;
	if (weir_pool_create(&pool, NULL))
		return puts(weir_error_text()), 1;
	weir_status status = WEIR_RUN(pool, sort, number, number + NUMBERS);
	if (status)
		puts(weir_error_text());
	int wrong = 0;
	for (int i = 0; i < NUMBERS; i++)
		wrong += number[i] != i;
	printf("%d of %d numbers are out of order\n", wrong, NUMBERS);
	return weir_pool_destroy(pool) || status || wrong;
}
