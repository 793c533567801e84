/* SPDX-License-Identifier: MIT */
/* handed_test.c - what a worker owes to others while grants are handed to it, one after another: G3, Q1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"

enum { MANY = 40, ROUNDS_MAX = 200000 };

struct flood {
	weir_group *group;
	atomic_int there, over;
};

static weir_status go_round(weir_task *task, void *argument)
{
	struct flood *flood = argument;
	(void)task;
	int ran = atomic_fetch_add(&flood->there, 1);
	return atomic_load(&flood->over) || ran > ROUNDS_MAX
		       ? WEIR_OK
		       : weir_submit(flood->group, go_round, flood, WEIR_DEMAND(.cores = 1));
}

static weir_status end_the_flood(weir_task *task, void *argument)
{
	struct flood *flood = argument;
	(void)task;
	atomic_store(&flood->over, 1);
	return WEIR_OK;
}

/* Tasks go round in a pool of one core, each handing on its grant and coming again; a plain one comes, from outside or from a task.
 * Fails (by 200,000 rounds) if the worker goes on with whom it hands on to. */
static void plain_ones_run_beside_a_grant_that_is_handed_on_and_on(void **state)
{
	(void)state;
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .workers = 1, .resource_aware = true));
	struct flood flood = {.group = hostile_group(pool)};
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(flood.group, go_round, &flood, WEIR_DEMAND(.cores = 1)));
	await(&flood.there, MANY);
	assert_ok(weir_submit(flood.group, end_the_flood, &flood, NULL));
	assert_ok(weir_group_wait(flood.group));
	assert_in_range(flood.there, MANY, ROUNDS_MAX);
	assert_ok(weir_group_destroy(flood.group));
	end_pool(pool);
}

/* It holds a grant, and waits for a task that has one. */
static weir_status wait_for_one(weir_task *task, void *argument)
{
	weir_group *group = argument;
	static atomic_int count;
	(void)task;
	weir_status status = weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1, .when_short = WEIR_FAIL));
	return status ? status : weir_group_wait(group);
}

/* G3. Tasks of a group waited for room, and were handed it. Fails (WEIR_EDEADLK) if the group goes on counting them as such as wait. */
static void who_was_handed_a_grant_waits_for_none(void **state)
{
	(void)state;
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = 2, .resource_aware = true));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	for (int i = 0; i < 2; i++)
		assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
	await(&gate.there, 2);
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, MANY);
	assert_ok(weir_pool_run(pool, wait_for_one, group, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_ones_run_beside_a_grant_that_is_handed_on_and_on),
		cmocka_unit_test(who_was_handed_a_grant_waits_for_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
