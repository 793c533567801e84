/* SPDX-License-Identifier: MIT */
/*
 * idle_test.c - what workers do that find no work. W3: whoever pushes wakes a sleeper, or somebody who looks on sees it: it would
 * fail by a hang. A pool without work uses no time of any core, but under WEIR_IDLE_SPIN: it would fail by the process's CPU
 * clock.
 */
#include "hostile.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "fixture.h"

static uint64_t cpu_ns(void)
{
	struct timespec time;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
	return (uint64_t)time.tv_sec * WEIR_NS_PER_S + (uint64_t)time.tv_nsec;
}

static void some_tasks(weir_pool *pool, int tasks)
{
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	for (int i = 0; i < tasks; i++)
		assert_ok(weir_submit(group, count_up, &ran, NULL));
	assert_ok(weir_group_wait(group));
	assert_int_equal(atomic_load(&ran), tasks);
	assert_ok(weir_group_destroy(group));
}

/* All of its threads, those of an aware pool's monitor and keeper included. Spinning workers would take 200 ms each, a searcher
 * that never gives up 40 wakes. */
static void an_idle_pool_uses_no_time(void **state)
{
	(void)state;
	const weir_idle policies[] = {WEIR_IDLE_HYBRID, WEIR_IDLE_BLOCK};
	for (int i = 0; i < 4; i++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 4, .resource_aware = i % 2,
							    .idle = policies[i / 2], .stack_bytes = 256 << 10));
		some_tasks(pool, 100);
		usleep(50000);
		uint64_t before_ns = cpu_ns();
		uint64_t parked = counts_of(pool).parked;
		usleep(200000);
		assert_true(cpu_ns() - before_ns < 40 * WEIR_NS_PER_MS);
		/* Nobody wakes up, looks, and sleeps again either; some may have been late. */
		assert_true(counts_of(pool).parked - parked < 10);
		end_pool(pool);
	}
}

static weir_status fan_out(weir_task *task, void *argument)
{
	(void)task;
	for (int i = 0; i < 8; i++)
		if (weir_fork(count_up, argument))
			return WEIR_ENOMEM;
	for (int i = 0; i < 8; i++)
		if (weir_join())
			return WEIR_EINVAL;
	return WEIR_OK;
}

struct lone {
	atomic_bool long_began;
	atomic_bool taken;
};

static weir_status long_child(weir_task *task, void *argument)
{
	(void)task;
	struct lone *lone = argument;
	atomic_store(&lone->long_began, true);
	while (!atomic_load(&lone->taken))
		usleep(100);
	return WEIR_OK;
}

static weir_status short_child(weir_task *task, void *argument)
{
	(void)task;
	atomic_store(&((struct lone *)argument)->taken, true);
	return WEIR_OK;
}

static weir_status no_child(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return WEIR_OK;
}

/* The first child goes to a thief that forks nothing and does not come back; the second one, private, is the sleepers'. */
static weir_status fork_beside_sleepers(weir_task *task, void *argument)
{
	(void)task;
	struct lone *lone = argument;
	if (weir_fork(long_child, lone))
		return WEIR_ENOMEM;
	weir_share();
	while (!atomic_load(&lone->long_began))
		usleep(100);
	weir_status status = weir_fork(short_child, lone);
	while (!status && !atomic_load(&lone->taken)) {
		if (!(status = weir_fork(no_child, NULL)))
			status = weir_join();
		sched_yield();
	}
	return weir_join() || weir_join() ? WEIR_EINVAL : status;
}

/* Somebody sleeps while another forks and all else are busy: he is asked for what is private. It would fail by a hang. */
static void who_took_a_child_asks_for_the_next(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		weir_pool *pool =
			hostile_pool(WEIR_OPTIONS(.workers = 4, .idle = (weir_idle)i, .stack_bytes = 256 << 10));
		usleep(20000);
		struct lone lone = {0};
		assert_ok(weir_pool_run(pool, fork_beside_sleepers, &lone, NULL));
		end_pool(pool);
	}
}

/* Bursts of all sizes after pauses of all lengths, on nodes of their own or on any, with forks or without. */
static void every_push_is_heard_of_under_every_policy(void **state)
{
	(void)state;
	uint64_t seed = fixture_seed("idle_test");
	for (int run = 0; run < 9; run++) {
		weir_pool *pool = hostile_pool(
			WEIR_OPTIONS(.machine = "numa:2 core:2 pu:1", .workers = (uint32_t)(run / 3 + 1),
				     .idle = (weir_idle)(run % 3), .spin_ns = 3000, .stack_bytes = 256 << 10));
		for (int round = 0; round < 150; round++) {
			weir_group *group = hostile_group(pool);
			atomic_int ran = 0;
			int wanted = 0;
			uint64_t random = fixture_random(&seed);
			for (uint64_t tasks = random % 5 + 1; tasks; tasks--) {
				bool forks = random >> (8 + tasks) & 1;
				const weir_demand *demand = random >> (16 + tasks) & 1
								    ? WEIR_DEMAND(.home = WEIR_NODE(random >> 24 & 1))
								    : NULL;
				assert_ok(weir_submit(group, forks ? fan_out : count_up, &ran, demand));
				wanted += forks ? 8 : 1;
			}
			assert_ok(weir_group_wait(group));
			assert_int_equal(atomic_load(&ran), wanted);
			assert_ok(weir_group_destroy(group));
			if (random >> 32 & 1)
				usleep((useconds_t)(random >> 33 & 0x7f));
		}
		end_pool(pool);
	}
}

static void who_spins_never_sleeps_and_who_blocks_does(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .idle = WEIR_IDLE_SPIN));
	some_tasks(pool, 100);
	usleep(2000);
	some_tasks(pool, 100);
	assert_int_equal(counts_of(pool).parked, 0);
	end_pool(pool);
	pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .idle = WEIR_IDLE_BLOCK));
	some_tasks(pool, 1);
	while (!counts_of(pool).parked)
		usleep(100);
	some_tasks(pool, 1);
	end_pool(pool);
}

/* On one processor, with more workers than that, under SCHED_FIFO, where nobody is moved on by time. Fails by a hang if who spins
 * keeps the processor from those whom it looks for: who submits, and who forks. */
static void who_spins_gives_way_to_its_equals(void **state)
{
	(void)state;
	cpu_set_t all, one;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	const struct sched_param first = {.sched_priority = 1}, none = {0};
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		skip(); /* it takes a right */
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 4, .no_pinning = true, .no_guests = true,
						    .idle = WEIR_IDLE_SPIN, .stack_bytes = 256 << 10));
	some_tasks(pool, 100);
	atomic_int ran = 0;
	for (int i = 0; i < 20; i++)
		assert_ok(weir_pool_run(pool, fan_out, &ran, NULL));
	assert_int_equal(ran, 160);
	end_pool(pool);
	assert_int_equal(pthread_setschedparam(pthread_self(), SCHED_OTHER, &none), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_pool_uses_no_time),
		cmocka_unit_test(who_took_a_child_asks_for_the_next),
		cmocka_unit_test(every_push_is_heard_of_under_every_policy),
		cmocka_unit_test(who_spins_gives_way_to_its_equals),
		cmocka_unit_test(who_spins_never_sleeps_and_who_blocks_does),
	};
	alarm(HANG_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
