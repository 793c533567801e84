/* SPDX-License-Identifier: MIT */
/*
 * bell_callers_test.c - threads that ring, and then wait for it, compute, end, are cancelled, or do something else: each of their tasks is
 * run. W12: a ring that nobody looks at would make these hang.
 */
#include "ringer.h"

#include <pthread.h>
#include <sched.h>

#include "fixture.h"

/* As all do at last who wait for one at a time, by themselves. The worker may come first now and then, where others use the
 * machine for long. */
static void take_up_the_habit(struct ringer *ringer)
{
	bool rang = false;
	do {
		/* After a few misses, each of which doubles how many it takes, so many pairs in a row would never come. */
		ringer_habit(ringer)->needed = HABIT_MIN;
		for (int i = 0; i <= HABIT_MIN; i++) {
			rang |= ringer_submit(ringer);
			assert_ok(weir_group_wait(ringer->group));
		}
		usleep(100);
	} while (!rang);
}

static void who_waits_for_one_at_a_time_comes_to_ring(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		struct ringer ringer;
		ringer_begin(&ringer, WEIR_OPTIONS(.workers = workers, INVENTED));
		/* Less often than it takes. */
		for (int i = 0; i < HABIT_MIN; i++) {
			assert_false(ringer_submit(&ringer));
			assert_ok(weir_group_wait(ringer.group));
		}
		take_up_the_habit(&ringer);
		ringer_end(&ringer);
	}
}

enum leaving { RETURNS, IS_CANCELLED, WAITS_FOR_ANOTHER_POOL, LEAVINGS };

struct leaver {
	struct ringer ringer, other; /* pools */
	enum leaving how;
	atomic_int there;
	bool rang;
	int wrong;
};

static weir_status waits_for_one(weir_task *task, void *argument)
{
	(void)task;
	ringer_spin(argument, 1);
	return WEIR_OK;
}

/* It has a lane of its own, and the rounds may end before it has rung. */
static void *ring_and_leave(void *argument)
{
	struct leaver *leaver = argument;
	struct ringer *ringer = &leaver->ringer;
	leaver->wrong += weir_producer_register(ringer->pool) != WEIR_OK;
	ringer_believe(ringer);
	leaver->wrong += weir_submit(ringer->group, count_up, &ringer->ran, NULL) != WEIR_OK;
	leaver->rang = ringer_habit(ringer)->rang;
	atomic_store(&leaver->there, 1);
	if (leaver->how == WAITS_FOR_ANOTHER_POOL)
		leaver->wrong += weir_submit(leaver->other.group, waits_for_one, &ringer->ran, NULL) ||
				 weir_group_wait(leaver->other.group);
	while (leaver->how == IS_CANCELLED)
		pause();
	return NULL;
}

static void who_rang_and_went_away_has_its_task_run(void **state)
{
	(void)state;
	struct leaver leaver = {0};
	ringer_begin(&leaver.ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	ringer_begin(&leaver.other, WEIR_OPTIONS(.workers = 1, INVENTED));
	for (leaver.how = RETURNS; leaver.how < LEAVINGS; leaver.how += leaver.rang) {
		pthread_t thread;
		ringer_believe(&leaver.ringer);
		while (!at_load(&leaver.ringer.pool->bell->watching, relaxed, none))
			usleep(50);
		atomic_store(&leaver.ringer.ran, 0);
		atomic_store(&leaver.there, 0);
		assert_int_equal(pthread_create(&thread, NULL, ring_and_leave, &leaver), 0);
		ringer_spin(&leaver.there, 1);
		if (leaver.how == IS_CANCELLED)
			assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(leaver.wrong, 0);
		ringer_spin(&leaver.ringer.ran, 1);
		/* The worker is on its way to sleep. */
		usleep(100);
	}
	atomic_store(&leaver.ringer.ran, 0);
	ringer_end(&leaver.ringer);
	ringer_end(&leaver.other);
}

/* It waits for another group, which is not done before its own task ran; and takes the ring back, so that is what has to wake. */
static void who_waits_for_something_else_has_its_task_run_too(void **state)
{
	(void)state;
	struct ringer ringer;
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 2, INVENTED));
	weir_group *other = hostile_group(ringer.pool);
	for (int i = 0; i < 10; i++) {
		atomic_int flag = 0;
		assert_ok(weir_submit(other, waits_for_one, &flag, NULL));
		ringer_believe(&ringer);
		assert_ok(weir_submit(ringer.group, count_up, &flag, NULL));
		assert_ok(weir_group_wait(other));
		assert_ok(weir_group_wait(ringer.group));
	}
	assert_ok(weir_group_destroy(other));
	ringer_end(&ringer);
}

/* The worker on the submitter's own processor is rung for, not woken: all the same it comes, and runs all of it. */
static void a_burst_of_who_has_the_habit_is_run(void **state)
{
	(void)state;
	cpu_set_t before, set;
	struct ringer ringer;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, .idle = WEIR_IDLE_BLOCK));
	/* To the worker's. */
	CPU_ZERO(&set);
	CPU_SET(ringer.pool->machine->thread[0], &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	for (int turn = 0; turn < 10; turn++) {
		ringer_believe(&ringer);
		for (int i = 0; i < 50; i++)
			(void)ringer_submit(&ringer);
		if (turn % 2)
			ringer_spin(&ringer.ran, ringer.submitted);
		assert_ok(weir_group_wait(ringer.group));
		assert_int_equal(atomic_load(&ringer.ran), ringer.submitted);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	ringer_end(&ringer);
}

/* Many. ---------------------------------------------------------------------------------------------------------- */

enum { CALLERS = 4, TURNS = 400 };

struct caller {
	weir_pool *pool;
	uint64_t random;
	atomic_int ran;
	int wrong;
};

/* Mostly in pairs, so that it has the habit again and again; then something else. */
static void *call(void *argument)
{
	struct caller *caller = argument;
	weir_group *group[2] = {NULL, NULL};
	int wanted = 0;
	caller->wrong += weir_group_create(&group[0], caller->pool) || weir_group_create(&group[1], caller->pool);
	for (int turn = 0; turn < TURNS && !caller->wrong; turn++) {
		uint64_t random = fixture_random(&caller->random);
		int tasks = random % 32 ? 1 : (int)((random >> 8) % 40);
		for (int i = 0; i < tasks; i++)
			caller->wrong += weir_submit(group[i % 2], count_up, &caller->ran, NULL) != WEIR_OK;
		wanted += tasks;
		if ((random >> 16) % 64 == 0)
			ringer_spin(&caller->ran, wanted);
		if ((random >> 24) % 8 == 0)
			usleep(100);
		caller->wrong += weir_group_wait(group[(random >> 32) % 64 == 0]) != WEIR_OK;
	}
	caller->wrong += weir_group_wait(group[0]) || weir_group_wait(group[1]);
	caller->wrong += atomic_load(&caller->ran) != wanted;
	(void)weir_group_destroy(group[0]);
	(void)weir_group_destroy(group[1]);
	return NULL;
}

static void callers_of_all_kinds_lose_no_task(void **state)
{
	(void)state;
	uint64_t seed = fixture_seed("bell_callers_test");
	const weir_options *options[] = {WEIR_OPTIONS(.workers = 2, INVENTED), WEIR_OPTIONS(.workers = 2, .spin_ns = 1),
					 WEIR_OPTIONS(.workers = 1)};
	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		weir_pool *pool = hostile_pool(options[o]);
		struct caller caller[CALLERS];
		pthread_t thread[CALLERS];
		for (int i = 0; i < CALLERS; i++) {
			caller[i] = (struct caller){.pool = pool, .random = seed + (uint64_t)i};
			assert_int_equal(pthread_create(&thread[i], NULL, call, &caller[i]), 0);
		}
		for (int i = 0; i < CALLERS; i++) {
			assert_int_equal(pthread_join(thread[i], NULL), 0);
			assert_int_equal(caller[i].wrong, 0);
		}
		end_pool(pool);
	}
}

int main(void)
{
	alarm(HANG_SECONDS);
	/* Who is woken takes nobody's processor. Else, where there is one processor or the others are taken, a worker is
	 * there before its waker has gone on to wait, each time: nobody comes to have the habit, and what needs it would wait for ever. */
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){.sched_priority = 0});
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_for_one_at_a_time_comes_to_ring),
		cmocka_unit_test(who_rang_and_went_away_has_its_task_run),
		cmocka_unit_test(who_waits_for_something_else_has_its_task_run_too),
		cmocka_unit_test(a_burst_of_who_has_the_habit_is_run),
		cmocka_unit_test(callers_of_all_kinds_lose_no_task),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
