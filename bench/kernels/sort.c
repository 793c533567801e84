/* SPDX-License-Identifier: MIT */
/*
 * sort.c - merge sort: input, reference (qsort()), and the serial pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "sort.h"

enum { INSERTION = 24 };

static struct sort s;
static int64_t *initial, *expected;

static void insertion(int64_t *numbers, int64_t n)
{
	for (int64_t i = 1; i < n; i++) {
		int64_t number = numbers[i], at = i;
		for (; at > 0 && numbers[at - 1] > number; at--)
			numbers[at] = numbers[at - 1];
		numbers[at] = number;
	}
}

void merge_serial(struct merge m)
{
	const int64_t *a_end = m.a + m.a_count, *b_end = m.b + m.b_count;
	while (m.a < a_end && m.b < b_end) {
		bool b = *m.b < *m.a; /* without a branch, which nothing could predict */
		*m.out++ = b ? *m.b : *m.a;
		m.a += !b;
		m.b += b;
	}
	size_t a_left = (size_t)(a_end - m.a), b_left = (size_t)(b_end - m.b);
	memcpy(m.out, m.a, a_left * sizeof(*m.out));
	memcpy(m.out + a_left, m.b, b_left * sizeof(*m.out));
}

void sort_serial(int64_t *numbers, int64_t *spare, int64_t n, bool into_spare)
{
	if (n <= INSERTION) {
		insertion(numbers, n);
		if (into_spare)
			memcpy(spare, numbers, (size_t)n * sizeof(*spare));
		return;
	}
	sort_serial(numbers, spare, n / 2, !into_spare);
	sort_serial(numbers + n / 2, spare + n / 2, n - n / 2, !into_spare);
	merge_serial(into_spare ? merge_halves(numbers, n, spare) : merge_halves(spare, n, numbers));
}

/* How many of the ascending numbers are below `bound`. */
static int64_t below(const int64_t *numbers, int64_t n, int64_t bound)
{
	int64_t low = 0;
	while (low < n) {
		int64_t middle = low + (n - low) / 2;
		if (numbers[middle] < bound)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

void merge_halve(struct merge m, struct merge *first, struct merge *second)
{
	int64_t a = m.a_count / 2, b;
	if (m.a_count >= m.b_count) {
		b = below(m.b, m.b_count, m.a[a]);
	} else {
		b = m.b_count / 2;
		a = below(m.a, m.a_count, m.b[b]);
	}
	*first = (struct merge){m.a, m.b, a, b, m.out};
	*second = (struct merge){m.a + a, m.b + b, m.a_count - a, m.b_count - b, m.out + a + b};
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int prepare(bool quick)
{
	s.n = quick ? 200000 : 1000000;
	s.numbers = lasting((uint64_t)s.n, sizeof(int64_t));
	s.spare = lasting((uint64_t)s.n, sizeof(int64_t));
	initial = lasting((uint64_t)s.n, sizeof(int64_t));
	expected = lasting((uint64_t)s.n, sizeof(int64_t));
	for (int64_t i = 0; i < s.n; i++) /* some of them equal */
		expected[i] = initial[i] = (int64_t)(seeded(4, (uint64_t)i) % (uint64_t)(4 * s.n)) - 2 * s.n;
	qsort(expected, (size_t)s.n, sizeof(int64_t), ascending);
	return 0;
}

static void reset(void)
{
	memcpy(s.numbers, initial, (size_t)s.n * sizeof(int64_t));
	memset(s.spare, 0, (size_t)s.n * sizeof(int64_t));
}

static bool has(void)
{
	return form.sort;
}

static int run(void)
{
	return form.sort(&s);
}

static int check(void)
{
	return memcmp(s.numbers, expected, (size_t)s.n * sizeof(int64_t)) != 0;
}

static double numbers(void)
{
	return (double)s.n;
}

const struct kernel kernel_sort = {
	.name = "sort",
	.unit = "ns/number",
	.threads = "1,2",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = numbers,
};
