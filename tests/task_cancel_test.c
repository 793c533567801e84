/* SPDX-License-Identifier: MIT */
/* task_cancel_test.c - tasks that wait: one of them is cancelled, or gives up; its group learns it, the others run (A1, W1).
 * Fails if a task that was cancelled runs, if its group waits for it for ever, or if an old ticket cancels another. */
#include "hostile.h"
#include "runtime/admission.h"

static atomic_ullong now_ns;

static uint64_t virtual_now(void *context)
{
	(void)context;
	return atomic_load(&now_ns);
}

static weir_pool *aware_pool(void)
{
	atomic_store(&now_ns, 1);
	return hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true,
					 .stack_bytes = 256 << 10, .clock = {.now_ns = virtual_now}));
}

static uint64_t submit_waiting(weir_group *group, atomic_int *ran, const weir_demand *demand)
{
	weir_decision decision;
	assert_ok(weir_submit_decision(group, count_up, ran, demand, &decision));
	assert_int_equal(decision.verdict, WEIR_QUEUED);
	assert_int_not_equal(decision.ticket, 0);
	return decision.ticket;
}

static void a_task_that_waits_is_cancelled_once(void **state)
{
	(void)state;
	weir_pool *pool = aware_pool();
	struct gate gate = {0};
	weir_group *holder = hostile_group(pool), *group = hostile_group(pool), *other = hostile_group(pool);
	assert_ok(weir_submit(holder, stay, &gate, WEIR_DEMAND(.cores = 2)));
	atomic_int ran = 0, other_ran = 0;
	uint64_t first = submit_waiting(group, &ran, WEIR_DEMAND(.cores = 1));
	uint64_t second = submit_waiting(group, &ran, WEIR_DEMAND(.cores = 1));
	uint64_t third = submit_waiting(other, &other_ran, WEIR_DEMAND(.cores = 1));
	assert_int_not_equal(first, second);
	assert_ok(weir_task_cancel(pool, second));
	assert_error(weir_task_cancel(pool, second), WEIR_ESTALE, "does not wait");
	assert_int_equal(weir_group_pending(group), 1);
	atomic_store(&gate.open, 1);
	assert_error(weir_group_wait(group), WEIR_ECANCELED, "cancelled");
	assert_ok(weir_group_wait(other));
	assert_int_equal(ran, 1);
	assert_int_equal(other_ran, 1);
	static const uint64_t never[] = {0, 1, UINT64_MAX, 12345};
	for (size_t i = 0; i < ARRAY_LENGTH(never); i++)
		assert_error(weir_task_cancel(pool, never[i]), WEIR_ESTALE, "does not wait");
	assert_error(weir_task_cancel(pool, first), WEIR_ESTALE, "does not wait");
	assert_error(weir_task_cancel(pool, third), WEIR_ESTALE, "does not wait");
	assert_error(weir_task_cancel(NULL, first), WEIR_EINVAL, "pool is NULL");
	assert_int_equal(counts_of(pool).cancelled, 1);
	end_pool(pool);
}

/* Kept back behind another group, it is cancelled as well, and ends with those that are kept back beside it. */
static void a_task_that_is_kept_back_is_cancelled(void **state)
{
	(void)state;
	weir_pool *pool = aware_pool();
	struct gate gate = {0};
	weir_group *before = hostile_group(pool), *later = hostile_group(pool);
	assert_ok(weir_submit(before, stay, &gate, NULL));
	assert_ok(weir_group_after(later, before));
	atomic_int ran = 0;
	(void)submit_waiting(later, &ran, WEIR_DEMAND(.cores = 1));
	uint64_t ticket = submit_waiting(later, &ran, WEIR_DEMAND(.cores = 1));
	assert_ok(weir_task_cancel(pool, ticket));
	assert_error(weir_task_cancel(pool, ticket), WEIR_ESTALE, "does not wait");
	atomic_store(&gate.open, 1);
	assert_int_equal(weir_group_wait(later), WEIR_ECANCELED);
	assert_int_equal(ran, 1);
	assert_int_equal(counts_of(pool).cancelled, 1);
	end_pool(pool);
}

/* A task whose time is over ends without running, and the group's error says so. */
static void a_task_gives_up_when_its_time_is_over(void **state)
{
	(void)state;
	weir_pool *pool = aware_pool();
	struct gate gate = {0};
	weir_group *holder = hostile_group(pool), *group = hostile_group(pool), *later = hostile_group(pool);
	assert_ok(weir_submit(holder, stay, &gate, WEIR_DEMAND(.cores = 2)));
	atomic_int ran = 0;
	uint64_t late = submit_waiting(group, &ran, WEIR_DEMAND(.cores = 1, .wait_ns_max = 1000));
	/* Kept back: its deadline counts from its submission. */
	assert_ok(weir_group_after(later, holder));
	(void)submit_waiting(later, &ran, WEIR_DEMAND(.cores = 1, .deadline_ns = 1000));
	atomic_store(&now_ns, 1001);
	assert_ok(weir_admission_tick(weir_pool_admission(pool), NULL));
	assert_int_equal(weir_group_pending(group), 0);
	assert_error(weir_group_wait(group), WEIR_ETIME, "wait_ns_max");
	assert_error(weir_task_cancel(pool, late), WEIR_ESTALE, "given up");
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1, .deadline_ns = 5, .run_ns = 5)),
		     WEIR_ETIME,
		     "demand.deadline_ns is 5 and run_ns 5: it cannot start, or end, in the time that it gives");
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1, .when_short = WEIR_FAIL)), WEIR_EAGAIN,
		     "CPU is short");
	atomic_store(&gate.open, 1);
	assert_int_equal(weir_group_wait(later), WEIR_ETIME);
	assert_int_equal(ran, 0);
	end_pool(pool);
}

/* On a plain pool no task waits for room. */
static void a_plain_pool_has_no_tickets(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .stack_bytes = 256 << 10));
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	weir_decision decision;
	assert_ok(weir_submit_decision(group, count_up, &ran, WEIR_DEMAND(.cores = 1), &decision));
	assert_int_equal(decision.ticket, 0);
	for (uint64_t ticket = 0; ticket < 4; ticket++)
		assert_error(weir_task_cancel(pool, ticket << SLOTS_BITS), WEIR_ESTALE, "does not wait");
	assert_ok(weir_group_wait(group));
	assert_int_equal(ran, 1);
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_that_waits_is_cancelled_once),
		cmocka_unit_test(a_task_that_is_kept_back_is_cancelled),
		cmocka_unit_test(a_task_gives_up_when_its_time_is_over),
		cmocka_unit_test(a_plain_pool_has_no_tickets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
