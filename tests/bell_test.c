/* SPDX-License-Identifier: MIT */
/*
 * bell_test.c - a thread that waits for one task at a time rings instead of waking a worker. W12: if no round looks at what was rung
 * for, a task whose submitter does not wait after all lies for ever: these tests would hang.
 */
#include <pthread.h>
#include <sched.h>

#include "fixture.h"
#include "hostile.h"
#include "runtime/bell.h"
#include "runtime/producers.h"

#define INVENTED .machine = "numa:1 core:2 pu:1", .idle = WEIR_IDLE_BLOCK

/* The calling thread's. */
static struct habit *habit_of(weir_pool *pool)
{
	return &producers_mine(pool)->habit;
}

/* Whether it rang for it. */
static bool submit_one(weir_pool *pool, weir_group *group, atomic_int *ran)
{
	assert_ok(weir_submit(group, count_up, ran, NULL));
	return habit_of(pool)->rang;
}

static bool wait_for_one(weir_pool *pool, weir_group *group, atomic_int *ran)
{
	bool rang = submit_one(pool, group, ran);
	assert_ok(weir_group_wait(group));
	return rang;
}

/* It is believed as if it had never been wrong. Pairs in a row that a worker does not break are rare where others use the machine:
 * after a few misses, each of which doubles how many it takes, they would never come. */
static void forgive(weir_pool *pool)
{
	if (producers_mine(pool))
		habit_of(pool)->needed = HABIT_MIN;
}

/* Until a submit has rung. The worker may come first now and then. */
static void take_up_the_habit(weir_pool *pool, weir_group *group)
{
	atomic_int ran = 0;
	int wanted = 0;
	bool rang = false;
	forgive(pool);
	do {
		for (int i = 0; i < HABIT_MIN + 1; i++)
			rang |= wait_for_one(pool, group, &ran);
		wanted += HABIT_MIN + 1;
		usleep(200);
	} while (!rang);
	assert_int_equal(atomic_load(&ran), wanted);
}

static void who_waits_for_one_at_a_time_comes_to_ring(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = workers, INVENTED));
		weir_group *group = hostile_group(pool);
		atomic_int ran = 0;
		/* Less often than it takes. */
		for (int i = 0; i < HABIT_MIN; i++)
			assert_false(wait_for_one(pool, group, &ran));
		take_up_the_habit(pool, group);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

static void who_always_wakes_has_no_bell(void **state)
{
	(void)state;
	const weir_options *options[] = {WEIR_OPTIONS(.workers = 1, .always_wake = true, INVENTED),
					 WEIR_OPTIONS(.workers = 1, .no_guests = true, INVENTED),
					 WEIR_OPTIONS(.workers = 1, .tasks_max = 1000, INVENTED)};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		weir_pool *pool = hostile_pool(options[i]);
		weir_group *group = hostile_group(pool);
		atomic_int ran = 0;
		assert_null(pool->bell);
		for (int n = 0; n < 10 * HABIT_MIN; n++) {
			assert_ok(weir_submit(group, count_up, &ran, NULL));
			assert_ok(weir_group_wait(group));
		}
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

/* Spinning, so that nothing but the bell can bring a worker. */
static void spin_until(atomic_int *value, int wanted)
{
	while (atomic_load(value) < wanted)
		at_pause();
}

/* Each time it takes twice as many pairs to be believed again: or what a thread loses would have no bound. */
static void who_computes_on_loses_its_task_to_a_worker_and_is_believed_less(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	for (int turn = 0; turn < 3;) {
		atomic_int ran = 0;
		take_up_the_habit(pool, group);
		const struct habit *habit = habit_of(pool);
		uint32_t needed = habit->needed;
		bool believed = habit->alone >= habit->needed;
		bool rang = submit_one(pool, group, &ran);
		spin_until(&ran, 1);
		assert_true(believed || !rang);
		/* Its next wait sees what it was. */
		(void)wait_for_one(pool, group, &ran);
		assert_true(habit->needed == needed || habit->needed == 2 * needed);
		turn += habit->needed != needed;
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status waits_for_the_flag(weir_task *task, void *argument)
{
	(void)task;
	spin_until(argument, 1);
	return WEIR_OK;
}

/* Who had a bad time is not taken for a liar for ever; nor is a loss forgotten at once: it would be lost again and again. */
static void who_was_wrong_is_believed_again(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	(void)wait_for_one(pool, group, &ran);
	struct habit *habit = habit_of(pool);
	for (uint32_t needed = HABIT_MAX; needed > HABIT_MIN; needed /= 2) {
		/* It has been right so often, but for twice and for once. Where others use the machine it may be wrong now. */
		habit->needed = needed;
		habit->alone = needed + HABIT_MAX - 2;
		(void)wait_for_one(pool, group, &ran);
		assert_true(habit->needed >= needed);
		do {
			habit->needed = needed;
			habit->alone = needed + HABIT_MAX - 1;
			(void)wait_for_one(pool, group, &ran);
		} while (habit->needed >= needed);
		assert_int_equal(habit->needed, needed / 2);
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Who computes while a worker runs its task is to have it begun at once. But one that was quicker by chance, as happens where others
 * use the machine, must not undo all: many in a row without one never come. */
static void a_worker_that_is_quicker_costs_some_of_the_habit(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	(void)wait_for_one(pool, group, &ran);
	struct habit *habit = habit_of(pool);
	habit->needed = HABIT_MAX;
	for (uint32_t alone = 0; alone <= 3 * HABIT_SLIP; alone++) {
		habit->alone = alone;
		int before = atomic_load(&ran);
		assert_false(submit_one(pool, group, &ran));
		spin_until(&ran, before + 1);
		assert_ok(weir_group_wait(group));
		assert_int_equal(habit->alone, alone < HABIT_SLIP ? 0 : alone - HABIT_SLIP);
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Or they would be late where that is kept by a thread of real time. However they began: who makes a thread hands its binding on. */
static void rounds_are_gone_on_all_processors_but_the_callers(void **state)
{
	(void)state;
	cpu_set_t before, one, of_bell;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	weir_group *group = hostile_group(pool);
	size_t processor = (size_t)sched_getcpu();
	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	do {
		take_up_the_habit(pool, group);
		assert_int_equal(pthread_getaffinity_np(pool->bell->thread, sizeof(of_bell), &of_bell), 0);
	} while (CPU_ISSET(processor, &of_bell) && CPU_COUNT(&before) > 1);
	if (CPU_COUNT(&before) > 1)
		CPU_SET(processor, &of_bell);
	assert_true(CPU_EQUAL(&of_bell, &before));
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Or an idle pool would never be idle. Who would ring wakes then; what it waits for after that has rounds begun again. */
static void nobody_goes_rounds_where_nobody_rings(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	for (int i = 0; i < 2; i++) {
		take_up_the_habit(pool, group);
		while (at_load(&pool->bell->watching, relaxed, none))
			usleep(1000);
		atomic_int ran = 0;
		habit_of(pool)->alone = HABIT_MIN;
		assert_false(submit_one(pool, group, &ran));
		assert_int_equal(habit_of(pool)->alone, 0);
		spin_until(&ran, 1);
		assert_ok(weir_group_wait(group));
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Tasks with demands, and groups that were done, are waited for without a ring: who has the habit has no rounds begun by that. */
static void a_wait_for_nothing_has_no_rounds_begun(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	take_up_the_habit(pool, group);
	while (at_load(&pool->bell->watching, relaxed, none))
		usleep(1000);
	habit_of(pool)->alone = habit_of(pool)->needed;
	uint32_t ticket = park_ticket(&pool->bell->park);
	for (int i = 0; i < 100; i++)
		assert_ok(weir_group_wait(group));
	assert_int_equal(park_ticket(&pool->bell->park), ticket);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct first_task {
	weir_pool *pool;
	weir_group *group;
	bool rang;
	int wrong;
};

static void *submit_the_first(void *argument)
{
	struct first_task *first = argument;
	atomic_int ran = 0;
	first->wrong = weir_submit(first->group, count_up, &ran, NULL) != WEIR_OK;
	spin_until(&ran, 1);
	first->rang = habit_of(first->pool)->rang;
	return NULL;
}

static void *have_the_habit(void *argument)
{
	struct first_task *first = argument;
	atomic_int ran = 0;
	first->wrong = weir_submit(first->group, count_up, &ran, NULL) || weir_group_wait(first->group);
	habit_of(first->pool)->alone = HABIT_MIN;
	return NULL;
}

/* It gets the lane of one that ended. With the habit of that one too its first task, which it may never wait for, was rung for. */
static void a_new_thread_does_not_have_the_habit_of_one_that_ended(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .lanes_max = 2, INVENTED));
	struct first_task first = {.pool = pool, .group = hostile_group(pool)};
	for (int i = 0; i < 10; i++) {
		pthread_t thread;
		take_up_the_habit(pool, first.group);
		assert_int_equal(pthread_create(&thread, NULL, have_the_habit, &first), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(first.wrong, 0);
		assert_int_equal(pthread_create(&thread, NULL, submit_the_first, &first), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(first.wrong, 0);
		assert_false(first.rang);
		assert_ok(weir_group_wait(first.group));
	}
	assert_ok(weir_group_destroy(first.group));
	end_pool(pool);
}

/* Where there is one processor, the worker that was woken for the pair is awake until we sleep. */
static void *lose_one(void *argument)
{
	struct first_task *first = argument;
	atomic_int ran = 0;
	(void)have_the_habit(first);
	usleep(200);
	first->wrong += weir_submit(first->group, count_up, &ran, NULL) != WEIR_OK;
	spin_until(&ran, 1);
	first->rang = at_load(&habit_of(first->pool)->missed, relaxed, none);
	return NULL;
}

static void *wait_for_the_first(void *argument)
{
	struct first_task *first = argument;
	atomic_int ran = 0;
	first->wrong = weir_submit(first->group, count_up, &ran, NULL) || weir_group_wait(first->group);
	first->wrong += habit_of(first->pool)->needed != HABIT_MIN;
	return NULL;
}

static void a_new_thread_is_believed_whoever_was_wrong_before(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .lanes_max = 2, INVENTED));
	struct first_task first = {.pool = pool, .group = hostile_group(pool)};
	pthread_t thread;
	do {
		take_up_the_habit(pool, first.group);
		assert_int_equal(pthread_create(&thread, NULL, lose_one, &first), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(first.wrong, 0);
	} while (!first.rang);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_the_first, &first), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(first.wrong, 0);
	assert_ok(weir_group_destroy(first.group));
	end_pool(pool);
}

enum leaving { RETURNS, IS_CANCELLED, WAITS_FOR_ANOTHER_POOL, LEAVINGS };

struct leaver {
	struct first_task first;
	weir_group *other; /* another pool's */
	enum leaving how;
	atomic_int ran, there;
};

static void *ring_and_leave(void *argument)
{
	struct leaver *leaver = argument;
	(void)have_the_habit(&leaver->first);
	usleep(200);
	leaver->first.wrong += weir_submit(leaver->first.group, count_up, &leaver->ran, NULL) != WEIR_OK;
	leaver->first.rang = habit_of(leaver->first.pool)->rang;
	atomic_store(&leaver->there, 1);
	if (leaver->how == WAITS_FOR_ANOTHER_POOL)
		leaver->first.wrong += weir_submit(leaver->other, waits_for_the_flag, &leaver->ran, NULL) ||
				       weir_group_wait(leaver->other);
	while (leaver->how == IS_CANCELLED)
		pause();
	return NULL;
}

static void who_rang_and_went_away_has_its_task_run(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_pool *another = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	struct leaver leaver = {.first = {.pool = pool, .group = hostile_group(pool)}, .other = hostile_group(another)};
	for (leaver.how = RETURNS; leaver.how < LEAVINGS; leaver.how += leaver.first.rang) {
		pthread_t thread;
		atomic_store(&leaver.ran, 0);
		atomic_store(&leaver.there, 0);
		take_up_the_habit(pool, leaver.first.group);
		assert_int_equal(pthread_create(&thread, NULL, ring_and_leave, &leaver), 0);
		spin_until(&leaver.there, 1);
		if (leaver.how == IS_CANCELLED)
			assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(leaver.first.wrong, 0);
		spin_until(&leaver.ran, 1);
	}
	assert_ok(weir_group_destroy(leaver.first.group));
	assert_ok(weir_group_destroy(leaver.other));
	end_pool(pool);
	end_pool(another);
}

/* It waits for another group, which is not done before its own task ran; and takes the ring back, so that is what has to wake. */
static void who_waits_for_something_else_has_its_task_run_too(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, INVENTED));
	weir_group *group = hostile_group(pool);
	weir_group *other = hostile_group(pool);
	for (int i = 0; i < 20; i++) {
		atomic_int flag = 0;
		assert_ok(weir_submit(other, waits_for_the_flag, &flag, NULL));
		take_up_the_habit(pool, group);
		assert_ok(weir_submit(group, count_up, &flag, NULL));
		assert_ok(weir_group_wait(other));
		assert_ok(weir_group_wait(group));
	}
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(other));
	end_pool(pool);
}

/* To the processor of the pool's only worker, if it has one of its own. */
static void join_the_worker(const weir_pool *pool)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (pool->machine->thread[0] < CPU_SETSIZE) {
		CPU_SET(pool->machine->thread[0], &set);
		(void)sched_setaffinity(0, sizeof(set), &set);
	}
}

/* The worker on the submitter's own processor is rung for, not woken: all the same it comes, and runs all of it. */
static void a_burst_of_who_has_the_habit_is_run(void **state)
{
	(void)state;
	cpu_set_t before;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .spin_ns = 1));
	weir_group *group = hostile_group(pool);
	join_the_worker(pool);
	for (int turn = 1; turn <= 20; turn++) {
		atomic_int ran = 0;
		take_up_the_habit(pool, group);
		for (int i = 0; i < 50; i++)
			assert_ok(weir_submit(group, count_up, &ran, NULL));
		if (turn % 2)
			spin_until(&ran, 50);
		assert_ok(weir_group_wait(group));
		assert_int_equal(atomic_load(&ran), 50);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Or it would be late each time: who never waits again is never told that it was wrong. */
static void who_never_waits_again_is_late_once(void **state)
{
	(void)state;
	cpu_set_t before;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .spin_ns = 1));
	weir_group *group = hostile_group(pool);
	join_the_worker(pool);
	atomic_int ran;
	do {
		take_up_the_habit(pool, group);
		atomic_init(&ran, 0);
		(void)submit_one(pool, group, &ran);
		spin_until(&ran, 1);
	} while (!at_load(&habit_of(pool)->missed, relaxed, none));
	uint32_t rings = at_load(&habit_of(pool)->rings, relaxed, none);
	for (int i = 2; i < 50; i++) {
		/* It sleeps again. */
		usleep(200);
		(void)submit_one(pool, group, &ran);
		spin_until(&ran, i);
	}
	assert_int_equal(at_load(&habit_of(pool)->rings, relaxed, none), rings);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_pool_ends_with_a_ring_on_its_way(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
		weir_group *group = hostile_group(pool);
		atomic_int ran = 0;
		take_up_the_habit(pool, group);
		assert_ok(weir_submit(group, count_up, &ran, NULL));
		end_pool(pool);
		assert_int_equal(atomic_load(&ran), 1);
	}
}

/* Many. ---------------------------------------------------------------------------------------------------------- */

enum { CALLERS = 4, TURNS = 1500 };

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
			spin_until(&caller->ran, wanted);
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
	uint64_t seed = fixture_seed("bell_test");
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
		cmocka_unit_test(who_always_wakes_has_no_bell),
		cmocka_unit_test(who_computes_on_loses_its_task_to_a_worker_and_is_believed_less),
		cmocka_unit_test(who_was_wrong_is_believed_again),
		cmocka_unit_test(a_worker_that_is_quicker_costs_some_of_the_habit),
		cmocka_unit_test(rounds_are_gone_on_all_processors_but_the_callers),
		cmocka_unit_test(nobody_goes_rounds_where_nobody_rings),
		cmocka_unit_test(a_wait_for_nothing_has_no_rounds_begun),
		cmocka_unit_test(a_new_thread_does_not_have_the_habit_of_one_that_ended),
		cmocka_unit_test(a_new_thread_is_believed_whoever_was_wrong_before),
		cmocka_unit_test(who_rang_and_went_away_has_its_task_run),
		cmocka_unit_test(who_waits_for_something_else_has_its_task_run_too),
		cmocka_unit_test(a_burst_of_who_has_the_habit_is_run),
		cmocka_unit_test(who_never_waits_again_is_late_once),
		cmocka_unit_test(a_pool_ends_with_a_ring_on_its_way),
		cmocka_unit_test(callers_of_all_kinds_lose_no_task),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
