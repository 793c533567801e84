/* SPDX-License-Identifier: MIT */
/* tick_test.c - what is done when a time has come: X3, on a clock that only the test moves. It would fail by a time that is
 * forgotten, or by one that is announced for ever while nothing is held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "house.h"

static const char one_node[] = "numa:1 core:4 pu:1";

static uint64_t tick(struct house *house)
{
	uint64_t next_ns = 7;
	assert_int_equal(weir_admission_tick(house->admission, &next_ns), WEIR_OK);
	assert_int_equal(next_ns, admission_next_ns(house->admission));
	return next_ns;
}

static void nothing_is_due_before_anything_is_asked(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	assert_int_equal(tick(&house), UINT64_MAX);
	now_ns += WEIR_NS_PER_S;
	assert_int_equal(weir_admission_tick(house.admission, NULL), WEIR_OK);
	assert_int_equal(tick(&house), UINT64_MAX);
	uint64_t next_ns;
	assert_int_equal(weir_admission_tick(NULL, &next_ns), WEIR_EINVAL);
	pull_down(&house, 0);
}

/* The period goes on while something is held or waits, and ends after two periods of neither; the next grant begins it. */
static void the_period_goes_on_while_something_is_held(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	uint64_t period_ns = house.admission->period_ns;
	for (int round = 0; round < 3; round++) {
		weir_grant grant = admit(&house, WEIR_DEMAND(.cores = 4));
		assert_int_equal(tick(&house), now_ns + period_ns);
		for (int i = 0; i < 5; i++) {
			now_ns += period_ns;
			assert_int_equal(tick(&house), now_ns + period_ns);
		}
		told_count = 0;
		weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
		assert_int_equal(weir_admission_cancel(house.admission, waits.ticket), WEIR_OK);
		release(&house, grant);
		now_ns += period_ns;
		assert_int_equal(tick(&house), now_ns + period_ns);
		/* Taken and given between two looks: the period goes on, as it may come again. */
		release(&house, admit(&house, WEIR_DEMAND(.cores = 1)));
		now_ns += period_ns;
		assert_int_equal(tick(&house), now_ns + period_ns);
		now_ns += period_ns;
		while (tick(&house) != UINT64_MAX) {
			now_ns += period_ns;
			assert_true(now_ns < 100 * WEIR_NS_PER_S);
		}
		now_ns += 10 * period_ns;
		assert_int_equal(tick(&house), UINT64_MAX);
	}
	pull_down(&house, 9);
}

static void a_time_is_only_made_earlier_and_done_once(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	admission_due(house.admission, DUE_ROOM, 500);
	admission_due(house.admission, DUE_ROOM, 700);
	assert_int_equal(tick(&house), 500);
	admission_due(house.admission, DUE_ROOM, 300);
	assert_int_equal(tick(&house), 300);
	now_ns = 299;
	assert_int_equal(tick(&house), 300);
	now_ns = 300;
	assert_int_equal(tick(&house), UINT64_MAX);
	pull_down(&house, 0);
}

/* X3, with threads: whoever makes a time earlier while others tick finds it done in the end. */
enum { THREADS = 4, ROUNDS = 5000 };

static void *make_due(void *argument)
{
	struct weir_admission *admission = argument;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		admission_due(admission, i & 1 ? DUE_ROOM : DUE_PERIOD, i % 7);
		if (i % 3 == 0)
			admission_tick(admission);
	}
	return NULL;
}

static void times_that_many_threads_announce_are_all_done(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	now_ns = 10;
	pthread_t thread[THREADS];
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, make_due, house.admission), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	assert_true(tick(&house) > now_ns);
	pull_down(&house, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_due_before_anything_is_asked),
		cmocka_unit_test(the_period_goes_on_while_something_is_held),
		cmocka_unit_test(a_time_is_only_made_earlier_and_done_once),
		cmocka_unit_test(times_that_many_threads_announce_are_all_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
