/* SPDX-License-Identifier: MIT */
/* keeper_test.c - the thread that does what is due. X4 would fail by a hang (a time slept past), the idle pool by wake-ups
 * that nobody asked for. */
#include <dirent.h>
#include <threads.h>

#include "hostile.h"
#include "runtime/admission.h"

static const char machine[] = "numa:1 core:2 pu:1";

/* The voluntary context switches of the keeper, from /proc; -1: there is no such thread. */
static long switches(void)
{
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	long count = -1;
	for (struct dirent *entry; (entry = readdir(tasks));) {
		char path[300], line[256], name[64] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		FILE *file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			(void)sscanf(line, "Name: %63s", name);
			if (!strcmp(name, "weir/keeper"))
				(void)sscanf(line, "voluntary_ctxt_switches: %ld", &count);
		}
		if (file)
			fclose(file);
	}
	closedir(tasks);
	return count;
}

static void pause_ms(int ms)
{
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	(void)thrd_sleep(&wait, NULL);
}

/* Until the keeper sleeps with nothing due, and for 100 ms was not woken, however long others keep it from going to sleep. */
static void until_idle(weir_pool *pool)
{
	for (int i = 0; i < 100; i++) {
		long before = switches();
		pause_ms(100);
		if (switches() == before && admission_next_ns(weir_pool_admission(pool)) == UINT64_MAX)
			return;
	}
	fail_msg("the keeper never sleeps for 100 ms: %ld wake-ups", switches());
}

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return WEIR_OK;
}

/* The period is 1 ms: a keeper that ticks while nothing is held would wake up a hundred times. */
static void the_keeper_of_an_idle_pool_is_not_woken(void **state)
{
	(void)state;
	assert_int_equal(switches(), -1);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = 2, .resource_aware = true,
						    .monitoring_interval_ns = WEIR_NS_PER_MS));
	for (int round = 0; round < 2; round++) {
		until_idle(pool);
		assert_true(switches() >= 0);
		weir_group *group = hostile_group(pool);
		for (int i = 0; i < 100; i++)
			assert_ok(weir_submit(group, nothing, NULL, WEIR_DEMAND(.cores = 1)));
		assert_ok(weir_group_wait(group));
		assert_ok(weir_group_destroy(group));
	}
	assert_ok(weir_pool_destroy(pool));
	assert_int_equal(switches(), -1);
	/* A plain pool has none. */
	pool = hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = 2));
	assert_int_equal(switches(), -1);
	assert_ok(weir_pool_destroy(pool));
}

static weir_status wait_for(weir_task *task, void *argument)
{
	(void)task;
	while (!atomic_load((atomic_int *)argument))
		pause_ms(1);
	return WEIR_OK;
}

static void while_something_is_held_the_period_goes_on(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = 2, .resource_aware = true,
						    .monitoring_interval_ns = WEIR_NS_PER_MS));
	until_idle(pool);
	atomic_int go = 0;
	weir_group *group = hostile_group(pool);
	assert_ok(weir_submit(group, wait_for, &go, WEIR_DEMAND(.cores = 1)));
	struct rates *rates = &weir_pool_admission(pool)->rates;
	for (int i = 0; i < 5; i++) {
		uint64_t sampled_ns = at_load(&rates->sampled_ns, relaxed, none);
		while (at_load(&rates->sampled_ns, relaxed, none) == sampled_ns)
			pause_ms(1);
	}
	atomic_store(&go, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_pool_destroy(pool));
}

/* X4: it sleeps until an hour from now when something becomes due at once. */
static void what_becomes_due_earlier_wakes_the_keeper(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = 2, .resource_aware = true));
	weir_admission *admission = weir_pool_admission(pool);
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t now_ns = weir_clock_monotonic_ns();
		admission_due(admission, DUE_ROOM, now_ns + 3600 * WEIR_NS_PER_S);
		if (i % 4 == 0)
			pause_ms(1);
		admission_due(admission, DUE_ROOM, now_ns + i * 1000);
		while (admission_next_ns(admission) <= weir_clock_monotonic_ns() + WEIR_NS_PER_S)
			pause_ms(0);
	}
	assert_ok(weir_pool_destroy(pool));
}

static _Atomic(uint64_t) virtual_ns = 1;

static uint64_t virtual_now(void *context)
{
	(void)context;
	return atomic_load(&virtual_ns);
}

/* A program that only moves its clock has what is due done. */
static void in_virtual_time_the_keeper_looks_at_the_clock(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = 2, .resource_aware = true,
						    .clock = {.now_ns = virtual_now}));
	weir_admission *admission = weir_pool_admission(pool);
	for (int i = 0; i < 5; i++) {
		uint64_t due_ns = virtual_ns + 3600 * WEIR_NS_PER_S;
		admission_due(admission, DUE_ROOM, due_ns);
		pause_ms(3);
		assert_int_equal(admission_next_ns(admission), due_ns);
		atomic_store(&virtual_ns, due_ns);
		while (admission_next_ns(admission) == due_ns)
			pause_ms(1);
	}
	until_idle(pool);
	assert_ok(weir_pool_destroy(pool));
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keeper_of_an_idle_pool_is_not_woken),
		cmocka_unit_test(while_something_is_held_the_period_goes_on),
		cmocka_unit_test(what_becomes_due_earlier_wakes_the_keeper),
		cmocka_unit_test(in_virtual_time_the_keeper_looks_at_the_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
