/* SPDX-License-Identifier: MIT */
/*
 * leftover_race_test.c - a task ends while another, that begins, looks at what is kept.
 * Covers E5. It failed where what is kept was read before what is spare: then who ended between had its grant counted as room, and
 * what it left in that room not. The linker puts this program's __wrap_arenas_kept() before the look (tests/CMakeLists.txt).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "private/atomics.h"
#include "runtime/leftover.h"

enum {
	MIB = 1 << 20,
	LIMIT = 64 * MIB,
	FIRST = 20 * MIB,
	SECOND = 40 * MIB,
	THIRD = 24 * MIB,
	KEPT = 60 * MIB,
	LATE = 20 * MIB
};

static weir_pool *pool;
static _Atomic(uint32_t) looks, drawn, may_end;
static uint32_t end_at; /* the look at which the second task ends */

uint64_t __real_arenas_kept(const struct arenas *arenas, uint32_t node);
uint64_t __wrap_arenas_kept(const struct arenas *arenas, uint32_t node);

/* Of a task that draws and one that begins: how far they have come. */
static struct {
	_Atomic(bool) armed, purges, looks, begun;
	_Atomic(uint64_t) kept;
} race;
static _Thread_local bool draws;

static void wait_for(_Atomic(bool) *what)
{
	while (!at_load(what, acquire, none) && !at_load(&race.begun, acquire, none))
		usleep(100);
}

void __real_arenas_purge(struct arenas *arenas, uint32_t node, uint64_t most);
void __wrap_arenas_purge(struct arenas *arenas, uint32_t node, uint64_t most);

/* Who begins knows how much may stay: now the other one draws, and has not come to look yet. */
void __wrap_arenas_purge(struct arenas *arenas, uint32_t node, uint64_t most)
{
	if (!draws && at_load(&race.armed, acquire, none)) {
		at_store(&race.purges, true, release, none);
		wait_for(&race.looks);
	}
	__real_arenas_purge(arenas, node, most);
}

/* What was kept before the second task ended, and returns when it has given its grant back. */
uint64_t __wrap_arenas_kept(const struct arenas *arenas, uint32_t node)
{
	uint64_t kept = __real_arenas_kept(arenas, node);
	if (draws) {
		at_store(&race.looks, true, release, none);
		wait_for(&race.begun);
	}
	/* Once the second task holds its memory, only the third looks before that one ends. */
	if (at_load(&drawn, acquire, none) && at_add(&looks, 1, acq_rel, none) + 1 == end_at) {
		weir_usage usage;
		at_store(&may_end, 1, release, none);
		do
			usleep(100);
		while (weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &usage) ||
		       usage.held.memory_bytes >= SECOND);
	}
	return kept;
}

static weir_status draw(weir_task *task, void *argument)
{
	uint64_t bytes = *(uint64_t *)argument, piece = bytes == FIRST ? MIB : bytes == KEPT ? LATE : bytes;
	for (uint64_t at = 0; at < bytes; at += piece) {
		char *block = weir_task_alloc(task, piece);
		if (!block)
			return WEIR_ENOMEM;
		memset(block, 1, piece);
	}
	if (bytes == SECOND) {
		at_store(&drawn, 1, release, none);
		while (!at_load(&may_end, acquire, none))
			usleep(100);
	}
	return WEIR_OK;
}

/* It may use all its memory by malloc() now. */
static weir_status begin(weir_task *task, void *kept)
{
	*(uint64_t *)kept = 0;
	for (uint32_t n = 0; n < task->group->pool->nodes; n++)
		*(uint64_t *)kept += __real_arenas_kept(task->group->pool->arenas, n);
	at_store(&may_end, 1, release, none);
	return WEIR_OK;
}

static void end_between(const char *machine, uint32_t home, uint32_t look)
{
	uint64_t first = FIRST, second = SECOND, kept = 0;
	weir_group *group, *held;
	at_store(&looks, 0, relaxed, none);
	at_store(&drawn, 0, relaxed, none);
	at_store(&may_end, 0, relaxed, none);
	end_at = look;
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = machine, .workers = 4, .resource_aware = true,
							      .limits = WEIR_LIMITS(.memory_bytes = LIMIT))),
			 WEIR_OK);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	assert_int_equal(weir_group_create(&held, pool), WEIR_OK);
	assert_int_equal(weir_submit(group, draw, &first,
				     WEIR_DEMAND(.memory_bytes = FIRST, .home = WEIR_NODE(0), .home_only = true)),
			 WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_submit(held, draw, &second,
				     WEIR_DEMAND(.memory_bytes = SECOND, .home = WEIR_NODE(0), .home_only = true)),
			 WEIR_OK);
	while (!at_load(&drawn, acquire, none))
		usleep(100);
	assert_int_equal(weir_submit(group, begin, &kept,
				     WEIR_DEMAND(.memory_bytes = THIRD, .home = home, .home_only = home != 0)),
			 WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	at_store(&may_end, 1, release, none);
	assert_int_equal(weir_group_wait(held), WEIR_OK);
	/* And headers, a page for each block. */
	if (kept > LIMIT - THIRD + 32 * 4096)
		fail_msg("%s, look %u: %llu MiB are kept beside a task of %d MiB, the limit is %d", machine, look,
			 (unsigned long long)(kept / MIB), THIRD / MIB, LIMIT / MIB);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_group_destroy(held), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

static void who_ends_while_another_looks_leaves_no_more_than_there_is_room_for(void **state)
{
	(void)state;
	for (uint32_t look = 1; look <= 8; look++) {
		end_between("numa:1 core:4 pu:1", 0, look);
		/* The total binds, and is looked at as well. */
		end_between("numa:2 core:2 pu:1", WEIR_NODE(0), look);
		end_between("numa:2 core:2 pu:1", WEIR_NODE(1), look);
	}
}

/* Out of the pages that are kept. */
static weir_status draw_late(weir_task *task, void *argument)
{
	(void)argument;
	at_store(&race.armed, true, release, none);
	wait_for(&race.purges);
	draws = true;
	char *block = weir_task_alloc(task, LATE);
	draws = false;
	at_store(&race.armed, false, release, none);
	return block ? WEIR_OK : WEIR_ENOMEM;
}

static weir_status begin_beside(weir_task *task, void *argument)
{
	(void)argument;
	at_store(&race.kept, __real_arenas_kept(task->group->pool->arenas, 0), relaxed, none);
	at_store(&race.begun, true, release, none);
	return WEIR_OK;
}

/* Else the pool would be idle, and purge. */
static weir_status last(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	while (!at_load(&race.begun, acquire, none))
		usleep(100);
	return WEIR_OK;
}

/* Of 60 MiB that are kept 40 may stay, as a task has not drawn its 40: it draws 20 of them, and what is kept seems to fit. It failed where
 * who begins did not look again: 40 MiB were kept beside 20 and 24. */
static void who_draws_while_another_looks_is_seen(void **state)
{
	(void)state;
	uint64_t first = KEPT;
	weir_group *group, *others;
	memset(&race, 0, sizeof(race));
	end_at = 0;
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .workers = 4,
							      .resource_aware = true,
							      .limits = WEIR_LIMITS(.memory_bytes = LIMIT))),
			 WEIR_OK);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	assert_int_equal(weir_group_create(&others, pool), WEIR_OK);
	assert_int_equal(weir_submit(others, last, NULL, NULL), WEIR_OK);
	assert_int_equal(weir_submit(group, draw, &first, WEIR_DEMAND(.memory_bytes = KEPT)), WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(
		weir_submit(others, draw_late, NULL, WEIR_DEMAND(.memory_bytes = SECOND, .memory_drawn = true)),
		WEIR_OK);
	while (!at_load(&race.armed, acquire, none))
		usleep(100);
	assert_int_equal(weir_submit(group, begin_beside, NULL, WEIR_DEMAND(.memory_bytes = THIRD)), WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_group_wait(others), WEIR_OK);
	assert_true(at_load(&race.purges, relaxed, none) && at_load(&race.looks, relaxed, none));
	uint64_t kept = at_load(&race.kept, relaxed, none);
	if (kept > LIMIT - THIRD - LATE + 64 * 4096)
		fail_msg("%llu MiB are kept beside %d and %d, the limit is %d", (unsigned long long)(kept / MIB),
			 THIRD / MIB, LATE / MIB, LIMIT / MIB);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_group_destroy(others), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_draws_while_another_looks_is_seen),
		cmocka_unit_test(who_ends_while_another_looks_leaves_no_more_than_there_is_room_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
