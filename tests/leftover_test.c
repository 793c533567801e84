/* SPDX-License-Identifier: MIT */
/*
 * leftover_test.c - pages of tasks that ended make way for tasks that begin, and only then.
 * Covers E5: pages of free blocks and memory of tasks that have begun are never more than the limit. It fails where pages
 * stay in room that another task was granted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "private/compiler.h"
#include "private/atomics.h"
#include "private/clock.h"
#include "runtime/leftover.h"

enum { MIB = 1 << 20 };

struct step {
	uint64_t bytes;
	bool draws; /* else it takes its memory elsewhere */
	uint64_t piece;
	uint64_t kept_at_start; /* answer */
};

static weir_status begin(weir_task *task, void *argument)
{
	struct step *step = argument;
	weir_pool *pool = task->group->pool;
	step->kept_at_start = arenas_kept(pool->arenas, need_memory_node(pool, task->need));
	for (uint64_t drawn = 0; step->draws && drawn < step->bytes; drawn += step->piece) {
		uint64_t left = step->bytes - drawn;
		char *block = weir_task_alloc(task, left < step->piece ? left : step->piece);
		if (!block)
			return WEIR_ENOMEM;
		memset(block, 1, left < step->piece ? left : step->piece);
	}
	return WEIR_OK;
}

/* A pool is not idle while it runs this. */
static _Atomic(bool) awake;

static weir_status stay_awake(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	while (at_load(&awake, relaxed, none))
		usleep(1000);
	return WEIR_OK;
}

static weir_group *kept_awake(weir_pool *pool)
{
	weir_group *group;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	at_store(&awake, true, relaxed, none);
	assert_int_equal(weir_submit(group, stay_awake, NULL, NULL), WEIR_OK);
	return group;
}

static void let_sleep(weir_group *group)
{
	at_store(&awake, false, relaxed, none);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
}

static weir_pool *pool_of(const char *machine, uint32_t workers, const weir_limits *limits)
{
	weir_pool *pool;
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = machine, .workers = workers,
							      .resource_aware = true, .limits = limits)),
			 WEIR_OK);
	return pool;
}

static void run(weir_group *group, struct step *step, uint32_t home)
{
	assert_int_equal(weir_submit(group, begin, step,
				     WEIR_DEMAND(.memory_bytes = step->bytes, .home = home, .home_only = home != 0)),
			 WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
}

/* One after the other, so what is kept is known: it goes when, and only when, the room that is left does not hold it. */
static void pages_stay_as_long_as_there_is_room_for_them(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		bool draws;
		uint64_t kept_mib; /* at the start */
	} cases[] = {
		{20, true, 0},	{20, true, 20}, {20, true, 40}, {20, true, 0}, {10, false, 20}, {43, false, 20},
		{45, false, 0}, {64, true, 0},	{1, false, 0},	{30, true, 0}, {33, false, 30}, {35, true, 0},
	};
	weir_pool *pool = pool_of("numa:1 core:2 pu:1", 2, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	weir_group *group, *other = kept_awake(pool);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	arenas_count_freed(pool->arenas, 0, 1);
	bool keeps = arenas_kept(pool->arenas, 0) != 0; /* not without jemalloc */
	arenas_purge(pool->arenas, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct step step = {cases[i].bytes * MIB, cases[i].draws, 3 * MIB, 0};
		run(group, &step, 0);
		/* A block's header is counted as well. */
		uint64_t low = keeps ? cases[i].kept_mib * MIB : 0;
		if (step.kept_at_start < low || step.kept_at_start > low + 8192)
			fail_msg("case %zu: %llu bytes kept", i, (unsigned long long)step.kept_at_start);
	}
	let_sleep(other);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A total binds: what is kept on one node makes way for a task on another. */
static void pages_of_one_node_make_way_for_another_where_a_total_binds(void **state)
{
	(void)state;
	weir_pool *pool = pool_of("numa:2 core:2 pu:1", 4, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	weir_group *group, *other = kept_awake(pool);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	struct step first = {50 * MIB, true, 50 * MIB, 0}, second = {14 * MIB - 4096, true, MIB, 0},
		    third = {40 * MIB, false, 1, 0};
	run(group, &first, WEIR_NODE(0));
	uint64_t kept = arenas_kept(pool->arenas, 0);
	run(group, &second, WEIR_NODE(1));
	assert_int_equal(arenas_kept(pool->arenas, 0), kept);
	run(group, &third, WEIR_NODE(1));
	assert_int_equal(arenas_kept(pool->arenas, 0), 0);
	assert_int_equal(third.kept_at_start, 0);
	let_sleep(other);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* What is in use and nobody's must not stay: others on the machine need it, and it would look like pressure. */
static void an_idle_pool_gives_its_pages_back(void **state)
{
	(void)state;
	weir_pool *pool = pool_of("numa:2 core:1 pu:1", 4, NULL);
	weir_group *group;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	for (uint32_t node = 0; node < 2; node++) {
		struct step step = {8 * MIB, true, MIB, 0};
		run(group, &step, WEIR_NODE(node));
	}
	uint64_t until = weir_clock_monotonic_ns() + 20 * WEIR_NS_PER_S;
	while (leftover_bytes(pool) && weir_clock_monotonic_ns() < until)
		usleep(1000);
	assert_int_equal(leftover_bytes(pool), 0);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Many at once, of all sizes: no look at resident memory ever shows more than the limit and the pool itself. */
static void resident_memory_follows_the_ledger(void **state)
{
	(void)state;
	enum { TASKS = 60, SLACK = 24 * MIB };
	uint64_t random = fixture_seed("resident_memory_follows_the_ledger");
	weir_pool *pool = pool_of("numa:1 core:4 pu:1", 8, WEIR_LIMITS(.memory_bytes = 96 * MIB));
	weir_group *group;
	static struct step step[TASKS];
	long before = fixture_resident_bytes(), most = 0;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	for (int i = 0; i < TASKS; i++) {
		uint64_t bytes = (1 + fixture_random(&random) % 32) * MIB;
		step[i] = (struct step){bytes, true, (64 << 10) << fixture_random(&random) % 10, 0};
		assert_int_equal(weir_submit(group, begin, &step[i], WEIR_DEMAND(.memory_bytes = bytes)), WEIR_OK);
	}
	while (weir_group_pending(group)) {
		long now = fixture_resident_bytes();
		most = now > most ? now : most;
	}
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	if (!FIXTURE_SANITIZED && most - before > 96 * MIB + SLACK)
		fail_msg("%ld MiB more than before", (most - before) / MIB);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_stay_as_long_as_there_is_room_for_them),
		cmocka_unit_test(pages_of_one_node_make_way_for_another_where_a_total_binds),
		cmocka_unit_test(an_idle_pool_gives_its_pages_back),
		cmocka_unit_test(resident_memory_follows_the_ledger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
