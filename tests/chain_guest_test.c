/* SPDX-License-Identifier: MIT */
/*
 * chain_guest_test.c - a hand belongs to a thread, also where that works in the seat of a worker. H3, B4, W9.
 *
 * Fails if a seat goes on with the hand of the thread that had it before: two threads would take out of it, and use one cache of
 * slots of the book.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"
#include "runtime/admission.h"
#include "runtime/chain.h"
#include "runtime/pool.h"

enum { MANY = 8, TRIES = 2000 };

struct flood {
	weir_pool *pool;
	weir_group *group;
	atomic_int ran, wrong;
};

/* The hand of its seat, where it has one, is that of the thread that sits there. */
static weir_status look_at_hand(weir_task *task, void *argument)
{
	struct flood *flood = argument;
	(void)task;
	const struct worker *worker = worker_self;
	if (worker->hand && worker->hand != chains_hand(flood->pool->admission))
		atomic_fetch_add(&flood->wrong, 1);
	atomic_fetch_add(&flood->ran, 1);
	return WEIR_OK;
}

static weir_status submit_many(weir_task *task, void *argument)
{
	struct flood *flood = argument;
	weir_status status = look_at_hand(task, argument);
	for (int i = 0; i < MANY && !status; i++)
		status = weir_submit(flood->group, look_at_hand, flood, WEIR_DEMAND(.cores = 1));
	return status;
}

/* The calling thread runs it as a guest, and ends grants. False: the worker did. */
static bool flood_as_guest(struct flood *flood)
{
	weir_pool_counts before = counts_of(flood->pool);
	usleep(200); /* it goes to sleep */
	assert_ok(weir_submit(flood->group, submit_many, flood, NULL));
	assert_ok(weir_group_wait(flood->group));
	return counts_of(flood->pool).lent > before.lent;
}

static void a_hand_stays_with_its_thread(void **state)
{
	(void)state;
	struct flood flood = {0};
	flood.pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .workers = 1, .resource_aware = true,
					       .idle = WEIR_IDLE_BLOCK));
	flood.group = hostile_group(flood.pool);
	int guests = 0, tries = 0;
	for (; tries < TRIES && guests < 3; tries++) {
		guests += flood_as_guest(&flood);
		/* What a worker runs that was not lent: behind a task of its own. */
		assert_ok(weir_submit(flood.group, submit_many, &flood, NULL));
		while (atomic_load(&flood.ran) < (tries + 1) * 2 * (MANY + 1))
			usleep(50);
		assert_ok(weir_group_wait(flood.group));
	}
	assert_int_equal(atomic_load(&flood.wrong), 0);
	assert_true(guests);
	assert_ok(weir_group_destroy(flood.group));
	end_pool(flood.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hand_stays_with_its_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
