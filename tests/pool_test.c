/* SPDX-License-Identifier: MIT */
/* pool_test.c - the whole way of a task, plain and resource-aware. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/weir.h>

static const char four_nodes[] = "numa:4 core:2 pu:1";

static weir_status count_up(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

static weir_pool *make_pool(const weir_options *options)
{
	weir_pool *pool;
	weir_status status = weir_pool_create(&pool, options);
	if (status)
		print_error("%s\n", weir_error_text());
	assert_int_equal(status, WEIR_OK);
	return pool;
}

static weir_group *make_group(weir_pool *pool)
{
	weir_group *group;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	return group;
}

static void a_plain_pool_runs_every_task_once(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 8; workers *= 2) {
		weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = workers));
		weir_group *group = make_group(pool);
		atomic_int count = 0;
		for (int i = 0; i < 20000; i++)
			assert_int_equal(weir_submit(group, count_up, &count, NULL), WEIR_OK);
		assert_int_equal(weir_group_wait(group), WEIR_OK);
		assert_int_equal(count, 20000);
		assert_int_equal(weir_group_destroy(group), WEIR_OK);
		assert_null(weir_pool_tracker(pool));
		weir_pool_counts counts = {.size = sizeof(counts)};
		assert_int_equal(weir_pool_counts_get(pool, &counts), WEIR_OK);
		assert_int_equal(counts.submitted, 20000);
		assert_int_equal(counts.completed, 20000);
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

WEIR_FORK_1(long, fib, int, n)
{
	if (n < 2)
		return n;
	WEIR_SPAWN(fib, n - 1);
	long b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}

static void fork_join_gives_the_right_answer(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 8; workers *= 2) {
		weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = workers, .forks_max = workers == 4 ? 8 : 0));
		for (int i = 0; i < 3; i++) {
			long f = 0;
			assert_int_equal(WEIR_RUN(pool, fib, &f, 24), WEIR_OK);
			assert_int_equal(f, 46368);
		}
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

static weir_status add_piece(int64_t begin, int64_t end, void *argument)
{
	atomic_long *sum = argument;
	for (int64_t i = begin; i < end; i++)
		atomic_fetch_add(sum, (long)i);
	return WEIR_OK;
}

static weir_status fail_in_the_middle(int64_t begin, int64_t end, void *argument)
{
	(void)argument;
	return begin <= 500 && 500 < end ? WEIR_EUSER + 3 : WEIR_OK;
}

static void a_loop_covers_its_range_once_and_gives_the_first_error(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 3));
	for (int64_t grain = 0; grain < 400; grain = grain * 3 + 1) {
		atomic_long sum = 0;
		assert_int_equal(weir_parallel_for(pool, -10, 1000, grain, add_piece, &sum), WEIR_OK);
		assert_int_equal(sum, 499500 - 55);
	}
	assert_int_equal(weir_parallel_for(pool, 0, 1000, 7, fail_in_the_middle, NULL), WEIR_EUSER + 3);
	assert_int_equal(weir_parallel_for(pool, 5, 5, 1, add_piece, NULL), WEIR_OK);
	assert_int_equal(weir_parallel_for(pool, 0, 5, -1, add_piece, NULL), WEIR_EINVAL);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Independent of the ledger: what bodies hold, by their own counters. */
struct load {
	atomic_llong memory[4];
	atomic_int cores[4];
	atomic_int overcommits;
	atomic_int runs;
	long long memory_max;
	int cores_max;
};

static weir_status hold_one(weir_task *task, void *argument)
{
	struct load *load = argument;
	uint32_t node = weir_task_node(task);
	if (atomic_fetch_add(&load->memory[node], 64 << 20) + (64 << 20) > load->memory_max)
		atomic_fetch_add(&load->overcommits, 1);
	if (atomic_fetch_add(&load->cores[node], 1) + 1 > load->cores_max)
		atomic_fetch_add(&load->overcommits, 1);
	char *block = weir_task_alloc(task, 1 << 20);
	if (!block)
		return WEIR_ENOMEM;
	memset(block, 1, 1 << 20);
	for (volatile int i = 0; i < 2000; i++)
		;
	atomic_fetch_sub(&load->memory[node], 64 << 20);
	atomic_fetch_sub(&load->cores[node], 1);
	atomic_fetch_add(&load->runs, 1);
	return WEIR_OK;
}

/* L1, L2: with more workers than room, no node ever holds more than its limit, and at the end everything is back. */
static void an_aware_pool_never_over_commits(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.machine = four_nodes, .workers = 8, .resource_aware = true,
						 .limits = WEIR_LIMITS(.memory_bytes = (uint64_t)100 << 20)));
	weir_group *group = make_group(pool);
	struct load load = {.memory_max = (long long)100 << 20, .cores_max = 2};
	for (int i = 0; i < 2000; i++)
		assert_int_equal(weir_submit(group, hold_one, &load, WEIR_DEMAND(.cores = 1, .memory_bytes = 64 << 20)),
				 WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(load.overcommits, 0);
	assert_int_equal(load.runs, 2000);
	assert_int_equal(weir_pool_drain(pool), WEIR_OK);
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &usage), WEIR_OK);
	assert_true(usage.held.cores == 0);
	assert_int_equal(usage.held.memory_bytes, 0);
	assert_int_equal(weir_tracker_audit(weir_pool_tracker(pool)), WEIR_OK);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_pool_runs_every_task_once),
		cmocka_unit_test(fork_join_gives_the_right_answer),
		cmocka_unit_test(a_loop_covers_its_range_once_and_gives_the_first_error),
		cmocka_unit_test(an_aware_pool_never_over_commits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
