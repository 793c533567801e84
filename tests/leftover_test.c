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
	uint64_t kept_at_end;	/* answer */
	_Atomic(bool) *until;	/* NULL: it ends at once */
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
	step->kept_at_end = arenas_kept(pool->arenas, need_memory_node(pool, task->need));
	while (step->until && !at_load(step->until, relaxed, none))
		usleep(100);
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

/* One after the other, so what is kept is known: it goes when, and only as much as, the room that is left does not hold it; and
 * what is taken again is not kept. */
static void pages_stay_as_long_as_there_is_room_for_them(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		bool draws;
		uint64_t kept_mib; /* at the start */
	} cases[] = {
		{20, true, 0},	{20, true, 20}, {10, false, 20}, {43, false, 20}, {45, false, 19}, {64, true, 0},
		{1, false, 63}, {30, true, 34}, {30, true, 34},	 {62, false, 2},  {64, false, 0},  {64, true, 0},
	};
	weir_pool *pool = pool_of("numa:1 core:2 pu:1", 2, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	weir_group *group, *other = kept_awake(pool);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct step step = {.bytes = cases[i].bytes * MIB, .draws = cases[i].draws, .piece = 3 * MIB};
		run(group, &step, 0);
		/* Headers are counted as well, a page for each block of 3 MiB; and huge pages go whole. */
		uint64_t kept = cases[i].kept_mib * MIB;
		if (step.kept_at_start + 2 * MIB < kept || step.kept_at_start > kept + cases[i].kept_mib / 3 * 8192)
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
	struct step first = {.bytes = 50 * MIB, .draws = true, .piece = 50 * MIB},
		    second = {.bytes = 13 * MIB, .draws = true, .piece = MIB}, third = {.bytes = 40 * MIB};
	run(group, &first, WEIR_NODE(0));
	uint64_t kept = arenas_kept(pool->arenas, 0);
	run(group, &second, WEIR_NODE(1));
	assert_int_equal(arenas_kept(pool->arenas, 0), kept);
	uint64_t other_kept = arenas_kept(pool->arenas, 1);
	run(group, &third, WEIR_NODE(1));
	/* Whole huge pages, where there are any. */
	assert_in_range(arenas_kept(pool->arenas, 0) + other_kept, 20 * MIB, 24 * MIB);
	assert_int_equal(third.kept_at_start, other_kept);
	/* It failed where a task on a node that keeps nothing did not look at the others. */
	arenas_purge(pool->arenas, 1, 0);
	run(group, &first, WEIR_NODE(0));
	arenas_purge(pool->arenas, 1, 0);
	assert_true(arenas_kept(pool->arenas, 0) >= 44 * MIB);
	run(group, &third, WEIR_NODE(1));
	assert_in_range(arenas_kept(pool->arenas, 0), 20 * MIB, 24 * MIB);
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
		struct step step = {.bytes = 8 * MIB, .draws = true, .piece = MIB};
		run(group, &step, WEIR_NODE(node));
	}
	uint64_t until = weir_clock_monotonic_ns() + 20 * WEIR_NS_PER_S;
	while (leftover_bytes(pool) && weir_clock_monotonic_ns() < until)
		usleep(1000);
	assert_int_equal(leftover_bytes(pool), 0);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Room of tasks that have not begun is nobody's yet. It fails where what waits for a worker, all room being granted, makes each
 * task before it give up the last one's pages. */
static void pages_stay_in_room_of_tasks_that_have_not_begun(void **state)
{
	(void)state;
	static _Atomic(bool) all_there;
	weir_pool *pool = pool_of("numa:1 core:1 pu:1", 1, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	struct step first = {.bytes = 30 * MIB, .draws = true, .piece = 3 * MIB, .until = &all_there},
		    second = {.bytes = 20 * MIB}, third = {.bytes = 14 * MIB};
	weir_group *group, *gone;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	assert_int_equal(weir_group_create(&gone, pool), WEIR_OK);
	at_store(&all_there, false, relaxed, none);
	assert_int_equal(weir_submit(group, begin, &first, WEIR_DEMAND(.memory_bytes = first.bytes)), WEIR_OK);
	assert_int_equal(weir_submit(group, begin, &second, WEIR_DEMAND(.memory_bytes = second.bytes)), WEIR_OK);
	assert_int_equal(weir_submit(gone, begin, &third, WEIR_DEMAND(.memory_bytes = third.bytes)), WEIR_OK);
	weir_group_cancel(gone); /* granted, and ends without having begun */
	at_store(&all_there, true, relaxed, none);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_group_wait(gone), WEIR_ECANCELED);
	assert_in_range(second.kept_at_start, (pool->asymmetric ? 30 : 14) * MIB - 8192, 31 * MIB);
	assert_int_equal(tally_sum(&pool->undrawn, 0), 0);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_group_destroy(gone), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A task that only draws finds the pages of the last one in its own room, and takes them; what it cannot take goes before more
 * is drawn than there is room for. */
static void who_only_draws_gets_the_pages_that_were_left(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes, piece;
		bool drawn;
		uint64_t start_mib, end_mib; /* kept when it begins, and when it has drawn all */
	} cases[] = {
		{48, 3, true, 0, 0},
		{60, 3, true, 48, 0},
		{60, 3, false, 4, 0},
		{60, 3, true, 60, 0},
		/* Pieces of 6 MiB do not fit into what pieces of 3 MiB left: 4 MiB of these may stay. */
		{60, 6, true, 60, 4},
		{48, 6, true, 64, 16},
		{48, 6, false, 16, 4},
	};
	weir_pool *pool = pool_of("numa:1 core:2 pu:1", 2, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	weir_group *group, *other = kept_awake(pool);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	for (size_t i = 0; pool->asymmetric && i < ARRAY_LENGTH(cases); i++) {
		struct step step = {.bytes = cases[i].bytes * MIB, .draws = true, .piece = cases[i].piece * MIB};
		const weir_demand *demand = WEIR_DEMAND(.memory_bytes = step.bytes, .memory_drawn = cases[i].drawn);
		assert_int_equal(weir_submit(group, begin, &step, demand), WEIR_OK);
		assert_int_equal(weir_group_wait(group), WEIR_OK);
		uint64_t start = step.kept_at_start / MIB, end = step.kept_at_end / MIB;
		/* To huge pages. */
		if (start > cases[i].start_mib || start + 4 < cases[i].start_mib || end > cases[i].end_mib)
			fail_msg("case %zu: %llu MiB kept when it began, %llu when it had drawn", i,
				 (unsigned long long)start, (unsigned long long)end);
	}
	assert_int_equal(tally_sum(&pool->undrawn, 0), 0);
	let_sleep(other);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

static weir_status shrink_and_grow(weir_task *task, void *argument)
{
	weir_pool *pool = task->group->pool;
	uint64_t *undrawn = argument;
	undrawn[0] = tally_sum(&pool->undrawn, 0);
	if (weir_task_shrink(task, &(weir_amount){.memory_bytes = 20 * MIB}))
		return WEIR_EUSER;
	undrawn[1] = tally_sum(&pool->undrawn, 0);
	if (weir_task_grow(task, &(weir_amount){.memory_bytes = 10 * MIB}) || !weir_task_alloc(task, 25 * MIB))
		return WEIR_EUSER;
	undrawn[2] = tally_sum(&pool->undrawn, 0);
	return WEIR_OK;
}

/* What such a task does not use follows what it holds, and is gone when it ends. */
static void what_is_not_drawn_follows_the_grant(void **state)
{
	(void)state;
	uint64_t undrawn[3] = {0};
	weir_pool *pool = pool_of("numa:1 core:1 pu:1", 1, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	assert_int_equal(weir_pool_run(pool, shrink_and_grow, undrawn,
				       WEIR_DEMAND(.memory_bytes = 40 * MIB, .memory_drawn = true)),
			 WEIR_OK);
	assert_int_equal(undrawn[0], 40 * MIB);
	assert_int_equal(undrawn[1], 20 * MIB);
	assert_int_equal(undrawn[2], 5 * MIB);
	assert_int_equal(tally_sum(&pool->undrawn, 0), 0);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Who lowers limits wants the room now, not when the next task begins: it failed where what was kept stayed in room that was there no
 * more. */
static void pages_make_way_for_lower_limits(void **state)
{
	(void)state;
	static const struct {
		uint64_t limit_mib, kept_mib;
	} cases[] = {{60, 30}, {30, 20}, {12, 2}, {8, 0}, {64, 0}};
	_Atomic(bool) may_end;
	weir_pool *pool = pool_of("numa:2 core:2 pu:1", 4, WEIR_LIMITS(.memory_bytes = 64 * MIB));
	weir_group *group, *lasting;
	struct step first = {.bytes = 30 * MIB, .draws = true, .piece = 3 * MIB},
		    other = {.bytes = 10 * MIB, .until = &may_end};
	at_init(&may_end, false);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	assert_int_equal(weir_group_create(&lasting, pool), WEIR_OK);
	assert_int_equal(weir_submit(lasting, begin, &other, WEIR_DEMAND(.memory_bytes = other.bytes)), WEIR_OK);
	run(group, &first, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(weir_pool_set_limits(pool, WEIR_LIMITS(.memory_bytes = cases[i].limit_mib * MIB)),
				 WEIR_OK);
		assert_in_range(leftover_bytes(pool), 0, (cases[i].kept_mib + 1) * MIB);
	}
	at_store(&may_end, true, relaxed, none);
	assert_int_equal(weir_group_wait(lasting), WEIR_OK);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_group_destroy(lasting), WEIR_OK);
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
		step[i] = (struct step){
			.bytes = bytes, .draws = true, .piece = UINT64_C(65536) << fixture_random(&random) % 10};
		assert_int_equal(
			weir_submit(group, begin, &step[i], WEIR_DEMAND(.memory_bytes = bytes, .memory_drawn = i % 2)),
			WEIR_OK);
	}
	while (weir_group_pending(group)) {
		long now = fixture_resident_bytes();
		most = now > most ? now : most;
	}
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(tally_sum(&pool->undrawn, 0), 0);
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
		cmocka_unit_test(pages_stay_in_room_of_tasks_that_have_not_begun),
		cmocka_unit_test(who_only_draws_gets_the_pages_that_were_left),
		cmocka_unit_test(what_is_not_drawn_follows_the_grant),
		cmocka_unit_test(pages_make_way_for_lower_limits),
		cmocka_unit_test(resident_memory_follows_the_ledger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
