/* SPDX-License-Identifier: MIT */
/*
 * queens.c - n-queens: input, reference, and the serial search of the last rows.
 */
#include "queens.h"

/* How many solutions there are: sequence A000170 of the On-Line Encyclopedia of Integer Sequences. */
enum { QUICK_N = 11, QUICK_SOLUTIONS = 2680, N = 13, SOLUTIONS = 73712 };

static struct queens q;
static uint64_t expected;
static uint64_t nodes;

uint64_t queens_serial(struct board b)
{
	if (b.rows == 0)
		return 1;
	uint64_t found = 0;
	for (uint32_t left = board_free(b); left; left &= left - 1)
		found += queens_serial(board_place(b, left & -left));
	return found;
}

/* Boards that are reached, the empty one too. */
static uint64_t count_nodes(struct board b)
{
	uint64_t count = 1;
	for (uint32_t left = b.rows ? board_free(b) : 0; left; left &= left - 1)
		count += count_nodes(board_place(b, left & -left));
	return count;
}

static int prepare(bool quick)
{
	int n = quick ? QUICK_N : N;
	q.empty = (struct board){.all = (UINT32_C(1) << n) - 1, .rows = n};
	expected = quick ? QUICK_SOLUTIONS : SOLUTIONS;
	nodes = count_nodes(q.empty);
	return 0;
}

static void reset(void)
{
	q.solutions = 0;
}

static bool has(void)
{
	return form.queens;
}

static int run(void)
{
	return form.queens(&q);
}

static int check(void)
{
	return q.solutions != expected;
}

static double boards(void)
{
	return (double)nodes;
}

const struct kernel kernel_nqueens = {
	.name = "nqueens",
	.unit = "ns/node",
	.threads = "1,2",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = boards,
};
