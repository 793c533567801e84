/* SPDX-License-Identifier: MIT */
/*
 * lag_test.c - a worker leaves looks out where that finds it more, and nowhere else; never more than LAG_MAX in a row. Without the first
 * a far producer goes at the pace of a cache line's way; without the second each task of who waits for it is late.
 */
#include "hostile.h"

#include "runtime/lag.h"
#include "runtime/producers.h"

enum { FINDS = 10000 };

/* Looks that are left out before the next that is not. */
static uint32_t skipped(struct lag *lag)
{
	uint32_t count = 0;
	while (lag_skips(lag))
		assert_true(++count <= LAG_MAX);
	return count;
}

static void leaves_no_look_out_at_first(void **state)
{
	(void)state;
	struct lag lag = {0};
	assert_int_equal(skipped(&lag), 0);
}

/* Who pushes one and watches for its end itself finds no use in being late: but for a trial now and then it is not. */
static void who_pushes_one_at_a_time_is_served_at_once_but_for_trials(void **state)
{
	(void)state;
	struct lag lag = {0};
	uint32_t late = 0;
	for (int i = 0; i < FINDS; i++) {
		lag_found(&lag, 1);
		late += skipped(&lag);
	}
	assert_true(late <= LAG_TRIAL * (FINDS / LAG_TRIES + 1));
	assert_true(late > 0);
}

/* A producer that pushes a call in each look's time. What it pushed as the last handful was run is no sign that it has ended. */
static void who_pushes_on_and_on_is_looked_at_when_there_is_a_handful(void **state)
{
	(void)state;
	struct lag lag = {0};
	uint32_t found = 0, most = 0;
	for (int i = 0; i < FINDS; i++) {
		uint32_t calls = 1 + skipped(&lag);
		found += calls;
		most = calls > most ? calls : most;
		lag_found(&lag, calls);
	}
	assert_true(most <= LAG_MAX + 1);
	assert_true(found >= FINDS * (LAG_FEW / 4));
}

/* One that pushes a call in eight looks' time does not wait for a line, so all that it would get is to be late. */
static void who_pushes_slowly_is_served_at_once_but_for_trials(void **state)
{
	(void)state;
	struct lag lag = {0};
	uint32_t late = 0;
	for (int i = 0; i < FINDS; i++) {
		uint32_t looks = skipped(&lag);
		late += looks;
		lag_found(&lag, 1 + looks / 8);
	}
	assert_true(late <= LAG_TRIAL * (FINDS / LAG_TRIES + 1));
}

static void ends_when_it_has_lasted_long(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX, .left = LAG_MAX};
	assert_true(lag_skips(&lag));
	lag_end(&lag);
	assert_int_equal(skipped(&lag), 0);
}

/* A slow one ends it: of what is left out nothing comes. */
static void ends_when_there_is_one_call_again(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX, .left = 1};
	assert_int_equal(skipped(&lag), 1);
	lag_found(&lag, 1);
	assert_int_equal(skipped(&lag), 0);
}

/* Whoever has fallen behind needs no more lines than it gets. */
static void becomes_less_where_there_is_plenty(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX};
	for (int i = 0; i < FINDS && lag.looks; i++)
		lag_found(&lag, 10 * LAG_FEW);
	assert_int_equal(lag.looks, 0);
	assert_int_equal(skipped(&lag), 0);
}

/* Its waits are what a lane's producer is late for: by a wait it pushes on and on no more, whether it works meanwhile, or finds all done,
 * or the pool has no guests. */
static void a_lane_streams_until_its_producer_waits(void **state)
{
	(void)state;
	for (int turn = 0; turn < 8; turn++) {
		bool guests = turn & 1, late = turn & 2, again = turn & 4;
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .no_guests = !guests));
		weir_group *group = hostile_group(pool);
		atomic_int count = 0;
		int pushed = 0;
		for (int i = 0; i <= again; i++) {
			for (int n = 0; n < INTAKE_CALLS; n++, pushed++)
				assert_ok(weir_submit(group, count_up, &count, NULL));
			struct intake *in = producers_mine(pool);
			assert_false(intake_streams(in));
			for (int n = 0; n < 2 * INTAKE_CALLS; n++, pushed++)
				assert_ok(weir_submit(group, count_up, &count, NULL));
			assert_true(intake_streams(in));
			if (late)
				await(&count, pushed);
			assert_ok(weir_group_wait(group));
			assert_false(intake_streams(in));
		}
		assert_int_equal(atomic_load(&count), pushed);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_no_look_out_at_first),
		cmocka_unit_test(who_pushes_one_at_a_time_is_served_at_once_but_for_trials),
		cmocka_unit_test(who_pushes_on_and_on_is_looked_at_when_there_is_a_handful),
		cmocka_unit_test(who_pushes_slowly_is_served_at_once_but_for_trials),
		cmocka_unit_test(ends_when_it_has_lasted_long),
		cmocka_unit_test(ends_when_there_is_one_call_again),
		cmocka_unit_test(becomes_less_where_there_is_plenty),
		cmocka_unit_test(a_lane_streams_until_its_producer_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
