/* SPDX-License-Identifier: MIT */
/* queue_delay_test.c - how long tasks wait, period by period, and that a pool's monitor hears of it: fails if a queue that
 * does not move shows the delay of when it last did, or if an empty one shows any. */
#include "house.h"

#include <time.h>

#include <weir/log.h>
#include <weir/weir.h>

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

static struct house empties;
static weir_grant first;

/* In the middle of a period: its delay was told, whether the next is needed not yet. */
static void end_both(weir_log_level level, const char *line, void *context)
{
	(void)context;
	if (level != WEIR_LOG_WARN || !strstr(line, "the room has been full"))
		return;
	release(&empties, first);
	release(&empties, told[told_count - 1].grant);
}

static uint64_t shown_ns(const weir_monitor *monitor)
{
	weir_reading r = {.size = sizeof(r)};
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	return r.queue_delay_ns;
}

/* Found by a run that hung: the room emptied between two looks of one period, the next told what the last who waited had waited
 * for, and was the last: a pool that slept showed that delay until it had work again. */
static void a_room_that_is_empty_shows_no_delay(void **state)
{
	(void)state;
	weir_machine *machine;
	weir_monitor *monitor;
	assert_int_equal(weir_machine_create(&machine, "numa:1 core:1 pu:1"), WEIR_OK);
	assert_int_equal(weir_monitor_create(&monitor, machine, NULL, UINT64_C(1) << 50), WEIR_OK);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	build(&empties, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:1 pu:1"), (weir_admission_options){0});
	empties.admission->monitor = monitor;
	assert_int_equal(weir_log_set(WEIR_LOG_WARN, end_both, NULL, 1000), WEIR_OK);
	first = admit(&empties, WEIR_DEMAND(.cores = 1));
	(void)queue(&empties, WEIR_DEMAND(.cores = 1), NULL);
	uint64_t next_ns = now_ns, most_ns = 0;
	do {
		now_ns = next_ns;
		assert_int_equal(weir_admission_tick(empties.admission, &next_ns), WEIR_OK);
		most_ns = shown_ns(monitor) > most_ns ? shown_ns(monitor) : most_ns;
	} while (next_ns != UINT64_MAX);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	assert_true(most_ns >= 900 * WEIR_NS_PER_MS);
	assert_int_equal(shown_ns(monitor), 0);
	pull_down(&empties, 2);
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_period_has_its_own_delay),
		cmocka_unit_test(a_pools_monitor_hears_of_its_queue),
		cmocka_unit_test(a_room_that_is_empty_shows_no_delay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
