/* SPDX-License-Identifier: MIT */
/*
 * lace.c - Lace by its public macros: TASK, SPAWN, SYNC, and RUN from outside, which submits and waits in one.
 */
#include "../peer.h"
#include "../tree.h"

#include <lace.h>

static struct tree tree;
static int64_t grain;
static uint32_t workers;

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	tree_make(&tree);
	workers = threads;
	lace_start(threads, 0);
}

static void stop(void)
{
	lace_stop();
}

TASK_1(uint64_t, fib, int, n)
{
	if (n < 2)
		return (uint64_t)n;
	SPAWN(fib, n - 1);
	uint64_t b = CALL(fib, n - 2);
	return SYNC(fib) + b;
}

static uint64_t run_fib(int n)
{
	return RUN(fib, n);
}

TASK_2(uint64_t, count, uint64_t, state, unsigned, depth)
{
	unsigned children = tree_children(&tree, state, depth);
	for (unsigned i = 0; i < children; i++)
		SPAWN(count, tree_child(state, i), depth + 1);
	uint64_t nodes = 1;
	for (unsigned i = 0; i < children; i++)
		nodes += SYNC(count);
	return nodes;
}

static uint64_t run_tree(void)
{
	return RUN(count, tree_root(), 0);
}

/* Lace has no loops: its authors halve the range. */
static uint32_t *looped;

VOID_TASK_2(each, int64_t, begin, int64_t, end)
{
	if (end - begin == 1) {
		peer_step(looped, begin);
		return;
	}
	int64_t middle = begin + (end - begin) / 2;
	SPAWN(each, middle, end);
	CALL(each, begin, middle);
	SYNC(each);
}

static void loop_grain1(uint32_t *array, int64_t length)
{
	looped = array;
	RUN(each, 0, length);
}

VOID_TASK_2(pieces, int64_t, begin, int64_t, end)
{
	if (end - begin <= grain) {
		peer_steps(looped, begin, end);
		return;
	}
	int64_t middle = begin + (end - begin) / 2;
	SPAWN(pieces, middle, end);
	CALL(pieces, begin, middle);
	SYNC(pieces);
}

static void loop_auto(uint32_t *array, int64_t length)
{
	looped = array;
	grain = length / (16 * (int64_t)workers);
	RUN(pieces, 0, length);
}

VOID_TASK_0(empty)
{
}

static void round_trip(bool spin)
{
	(void)spin;
	RUN(empty);
}

const struct peer peer = {
	.name = "lace",
	.fib_n = 36,
	.start = start,
	.stop = stop,
	.fib = run_fib,
	.tree = run_tree,
	.loop_grain1 = loop_grain1,
	.loop_auto = loop_auto,
	.round_trip = round_trip,
};
