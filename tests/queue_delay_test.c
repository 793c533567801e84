/* SPDX-License-Identifier: MIT */
/* queue_delay_test.c - how long tasks wait, period by period, and that a pool's monitor hears of it: fails if a queue that
 * does not move shows the delay of when it last did, or if an empty one shows any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "private/atomics.h"
#include "private/compiler.h"
#include "runtime/queue_delay.h"

static void each_period_has_its_own_delay(void **state)
{
	(void)state;
	static const struct {
		uint64_t granted, waited_ns, waiting, delay_ns;
	} periods[] = {
		{0, 0, 0, 0},	    {0, 0, 3, 100},    {0, 0, 3, 200},	 {2, 900, 1, 450}, {3, 1900, 1, 1000},
		{3, 1900, 1, 1100}, {13, 2000, 0, 10}, {13, 2000, 0, 0}, {13, 2000, 0, 0},
	};
	struct queue_delay d = {0};
	for (size_t i = 0; i < ARRAY_LENGTH(periods); i++)
		assert_int_equal(
			queue_delay_next(&d, periods[i].granted, periods[i].waited_ns, periods[i].waiting, 100),
			periods[i].delay_ns);
}

static _Atomic(bool) go_on;

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static weir_status hold(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	while (!at_load(&go_on, relaxed, none))
		nap();
	return WEIR_OK;
}

static weir_reading reading_of(weir_pool *pool)
{
	weir_reading r = {.size = sizeof(r)};
	assert_int_equal(weir_monitor_read(weir_pool_monitor(pool), &r), WEIR_OK);
	return r;
}

/* Two tasks want the only core: the second waits until the first is let go. */
static void a_pools_monitor_hears_of_its_queue(void **state)
{
	(void)state;
	weir_pool *pool;
	weir_group *group;
	at_store(&go_on, false, relaxed, none);
	assert_int_equal(
		weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:1 pu:1",
						     .monitoring_interval_ns = WEIR_NS_PER_MS, .no_environment = true)),
		WEIR_OK);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_submit(group, hold, NULL, WEIR_DEMAND(.cores = 1)), WEIR_OK);
	while (reading_of(pool).queue_delay_ns < 3 * WEIR_NS_PER_MS)
		nap();
	assert_true(reading_of(pool).known & WEIR_KNOWN_QUEUE_DELAY);
	at_store(&go_on, true, relaxed, none);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	while (reading_of(pool).queue_delay_ns > 0)
		nap();
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_period_has_its_own_delay),
		cmocka_unit_test(a_pools_monitor_hears_of_its_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
