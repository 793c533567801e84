/* SPDX-License-Identifier: MIT */
/*
 * weir.c - weir as it is meant to be used: WEIR_SPAWN and WEIR_JOIN inside, weir_parallel_for, weir_submit from outside.
 */
#include <weir/weir.h>

#include "../peer.h"
#include "../tree.h"

static weir_pool *house;
static weir_group *group;
static struct tree tree;

static void check(weir_status status)
{
	if (status)
		peer_fail("%s", weir_error_text());
}

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	check(weir_pool_create(&house, WEIR_OPTIONS(.workers = threads)));
	check(weir_group_create(&group, house));
	tree_make(&tree);
}

static void stop(void)
{
	check(weir_group_destroy(group));
	check(weir_pool_destroy(house));
}

WEIR_FORK_1(uint64_t, fib, int, n)
{
	if (n < 2)
		return (uint64_t)n;
	WEIR_SPAWN(fib, n - 1);
	uint64_t b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}

static uint64_t run_fib(int n)
{
	uint64_t found;
	check(WEIR_RUN(house, fib, &found, n));
	return found;
}

WEIR_FORK_2(uint64_t, count, uint64_t, state, unsigned, depth)
{
	unsigned children = tree_children(&tree, state, depth);
	for (unsigned i = 0; i < children; i++)
		WEIR_SPAWN(count, tree_child(state, i), depth + 1);
	uint64_t nodes = 1;
	for (unsigned i = 0; i < children; i++)
		nodes += WEIR_JOIN(count);
	return nodes;
}

static uint64_t run_tree(void)
{
	uint64_t nodes;
	check(WEIR_RUN(house, count, &nodes, tree_root(), 0));
	return nodes;
}

static weir_status step(int64_t begin, int64_t end, void *argument)
{
	peer_steps((uint32_t *)argument, begin, end);
	return WEIR_OK;
}

static void loop_grain1(uint32_t *array, int64_t count)
{
	check(weir_parallel_for(house, 0, count, 1, step, array));
}

static void loop_auto(uint32_t *array, int64_t count)
{
	check(weir_parallel_for(house, 0, count, WEIR_AUTO, step, array));
}

static weir_status empty(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return WEIR_OK;
}

static weir_status other(weir_task *task, void *argument)
{
	(void)task;
	peer_run((enum peer_body)(uintptr_t)argument);
	return WEIR_OK;
}

static void submit(unsigned producer, uint32_t count, enum peer_body body)
{
	(void)producer;
	weir_task_fn fn = body == PEER_EMPTY ? empty : other;
	for (uint32_t i = 0; i < count; i++)
		check(weir_submit(group, fn, (void *)(uintptr_t)body, NULL));
}

static void submit_batch(uint32_t count, enum peer_body body)
{
	check(weir_submit_batch(group, body == PEER_EMPTY ? empty : other, (void *)(uintptr_t)body, 0, count, NULL,
				NULL));
}

static void finish(void)
{
	check(weir_group_wait(group));
}

const struct peer peer = {
	.name = "weir",
	.fib_n = 36,
	.start = start,
	.stop = stop,
	.fib = run_fib,
	.tree = run_tree,
	.loop_grain1 = loop_grain1,
	.loop_auto = loop_auto,
	.submit = submit,
	.submit_batch = submit_batch,
	.wait = finish,
};
