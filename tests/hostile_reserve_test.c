/* SPDX-License-Identifier: MIT */
/* hostile_reserve_test.c - reservations and elastic demands in wrong hands: made-up handles, least above most, shrinking
 * what was reserved. It would fail by memory beyond a grant, or by an answer that is not true. */
#include "hostile.h"

#include <math.h>

static weir_pool *aware(void)
{
	return hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .no_pinning = true, .resource_aware = true,
					 .no_environment = true,
					 .limits = WEIR_LIMITS(.cores = 4, .memory_bytes = 64 << 20)));
}

static weir_reservation reserved(weir_pool *pool, const weir_demand *demand)
{
	weir_reservation one;
	assert_ok(weir_reserve(weir_pool_admission(pool), demand, UINT64_MAX, &one));
	return one;
}

static void a_handle_that_nobody_gave_is_over(void **state)
{
	(void)state;
	weir_pool *pool = aware();
	weir_admission *admission = weir_pool_admission(pool);
	weir_reserved what;
	weir_reservation one = reserved(pool, WEIR_DEMAND(.cores = 1));
	for (uint64_t handle = 0; handle < 4; handle++) {
		assert_error(weir_reservation_state(admission, (weir_reservation){handle}, &what), WEIR_ESTALE, "over");
		assert_error(weir_reservation_release(admission, (weir_reservation){handle}), WEIR_ESTALE,
			     "reservation");
	}
	assert_error(weir_reservation_state(admission, (weir_reservation){UINT64_MAX}, &what), WEIR_ESTALE, "over");
	assert_ok(weir_reservation_release(admission, one));
	end_pool(pool);
}

static weir_status shrink_and_take(weir_task *task, void *argument)
{
	(void)argument;
	if (weir_task_shrink(task, &(weir_amount){.cores = 1, .memory_bytes = 1 << 20}) ||
	    weir_task_alloc(task, 2 << 20) || !weir_task_alloc(task, 1 << 20))
		return WEIR_EINVAL;
	return WEIR_OK;
}

static void what_was_reserved_shrinks_with_its_memory(void **state)
{
	(void)state;
	weir_pool *pool = aware();
	weir_group *group = hostile_group(pool);
	weir_reservation one = reserved(pool, WEIR_DEMAND(.cores = 2, .memory_bytes = 8 << 20));
	assert_ok(weir_submit(group, shrink_and_take, NULL, WEIR_DEMAND(.reservation = one)));
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status same_as_granted(weir_task *task, void *argument)
{
	weir_allocation holds;
	if (weir_tracker_look(weir_pool_tracker(argument), weir_task_grant(task), &holds))
		return WEIR_ESTALE;
	bool true_to_it = holds.held.cores == 2 && weir_task_cores(task) == 2 &&
			  !weir_task_alloc(task, holds.held.memory_bytes + 1) &&
			  weir_task_alloc(task, holds.held.memory_bytes);
	return true_to_it ? WEIR_OK : WEIR_EINVAL;
}

static void an_elastic_task_gets_what_was_reserved(void **state)
{
	(void)state;
	weir_pool *pool = aware();
	weir_group *group = hostile_group(pool);
	weir_reservation one = reserved(pool, WEIR_DEMAND(.cores = 2, .memory_bytes = 8 << 20));
	assert_ok(weir_submit(group, same_as_granted, pool,
			      WEIR_DEMAND(.cores = 4, .cores_min = 1, .memory_bytes = 16 << 20,
					  .memory_min_bytes = 1 << 20, .reservation = one)));
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_least_above_nothing_is_wrong(void **state)
{
	(void)state;
	weir_pool *pool = aware();
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores_min = 2)), WEIR_EINVAL, "cores_min is 2");
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores_min = NAN)), WEIR_EINVAL,
		     "cores_min is nan");
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.memory_min_bytes = 4096)), WEIR_EINVAL,
		     "memory_min_bytes is 4096");
	weir_reservation one = reserved(pool, WEIR_DEMAND(.cores = 2, .memory_bytes = 8 << 20));
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.memory_min_bytes = 4096, .reservation = one)),
		     WEIR_EINVAL, "memory_min_bytes is 4096");
	assert_ok(weir_reservation_release(weir_pool_admission(pool), one));
	assert_int_equal(atomic_load(&ran), 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void observed_is_not_reserved(void **state)
{
	(void)state;
	weir_pool *pool = aware();
	weir_admission *admission = weir_pool_admission(pool);
	weir_reservation one = reserved(pool, WEIR_DEMAND(.cores = 4)), two;
	assert_ok(weir_admission_set_rule(admission, WEIR_ADMIT_OBSERVE));
	assert_error(weir_reserve(admission, WEIR_DEMAND(.cores = 4), 1, &two), WEIR_EAGAIN, "CPU");
	assert_error(weir_reserve(admission, WEIR_DEMAND(.cores = 5), 1, &two), WEIR_EINFEASIBLE, "CPU");
	assert_int_equal(two.handle, 0);
	assert_ok(weir_reservation_release(admission, one));
	end_pool(pool);
}

/* The end of all time, which "never" is after. */
static uint64_t last_ns(void *context)
{
	(void)context;
	return UINT64_MAX;
}

static void never_does_not_come(void **state)
{
	(void)state;
	weir_tracker *tracker;
	weir_admission *admission;
	weir_reservation one;
	weir_reserved what;
	uint64_t next_ns = 0;
	assert_ok(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1")));
	assert_ok(weir_admission_create(&admission, tracker, WEIR_ADMISSION_OPTIONS(.clock = {.now_ns = last_ns})));
	assert_ok(weir_reserve(admission, WEIR_DEMAND(.cores = 4), UINT64_MAX, &one));
	assert_ok(weir_admission_tick(admission, &next_ns));
	assert_ok(weir_admission_set_rule(admission, WEIR_ADMIT_HARD)); /* looks at the room */
	assert_ok(weir_reservation_state(admission, one, &what));
	assert_int_equal(what.state, WEIR_RESERVED_HELD);
	assert_ok(weir_reservation_release(admission, one));
	assert_ok(weir_admission_destroy(admission));
	assert_ok(weir_tracker_destroy(tracker));
}

/* Ten times the target is more than 64 bits: no delay is a pressure then, instead of any. */
static void a_delay_target_past_counting_is_never_reached(void **state)
{
	(void)state;
	weir_tracker *tracker;
	weir_admission *admission;
	weir_grant grant;
	weir_level_change level = {.size = sizeof(level)};
	assert_ok(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1")));
	assert_ok(weir_admission_create(&admission, tracker,
					WEIR_ADMISSION_OPTIONS(.rule = WEIR_ADMIT_ADAPTIVE,
							       .queue_delay_target_ns = UINT64_C(1) << 63,
							       .queue_delay_interval_ns = 1)));
	assert_ok(weir_admission_note_delay(admission, WEIR_NS_PER_S));
	assert_ok(weir_admission_feed(admission, NULL));
	assert_ok(weir_admission_level_get(admission, &level));
	assert_int_equal(level.to, WEIR_LEVEL_GREEN);
	/* And an amount that is none is called by its name. */
	assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &grant, NULL));
	assert_error(weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = NAN}), WEIR_EINVAL,
		     "amount.cores is nan");
	assert_ok(weir_tracker_give(tracker, grant));
	assert_ok(weir_admission_destroy(admission));
	assert_ok(weir_tracker_destroy(tracker));
}

/* A plain pool carries a demand along, but not one that counts on reserved room: it would start without that. */
static void a_plain_pool_has_no_reservations(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1"));
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	weir_decision decision;
	assert_error(weir_submit_decision(group, count_up, &ran, WEIR_DEMAND(.reservation = {.handle = 77}), &decision),
		     WEIR_EINVAL, "demand.reservation is 0x4d: a plain pool has none");
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	assert_ok(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_group_wait(group));
	assert_int_equal(ran, 1);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_that_nobody_gave_is_over),
		cmocka_unit_test(what_was_reserved_shrinks_with_its_memory),
		cmocka_unit_test(an_elastic_task_gets_what_was_reserved),
		cmocka_unit_test(a_least_above_nothing_is_wrong),
		cmocka_unit_test(observed_is_not_reserved),
		cmocka_unit_test(never_does_not_come),
		cmocka_unit_test(a_plain_pool_has_no_reservations),
		cmocka_unit_test(a_delay_target_past_counting_is_never_reached),
	};
	alarm(HANG_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
