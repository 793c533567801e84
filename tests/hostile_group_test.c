/* SPDX-License-Identifier: MIT */
/* hostile_group_test.c - groups in wrong hands: waits that cannot end are errors (G3), cancelling and chaining reach
 * every task exactly once (G1, G2), the first error stays. It would fail by a hang (the alarm), a status, or a task too
 * many. */
#include "hostile.h"
#include "runtime/group.h"

static const char two_nodes[] = "numa:2 core:2 pu:1";

static weir_pool *aware_pool(uint32_t workers)
{
	return hostile_pool(WEIR_OPTIONS(.machine = two_nodes, .workers = workers, .resource_aware = true));
}

/* What a task did and was answered; asserted by the main thread. */
struct report {
	weir_pool *pool;
	weir_group *group;
	weir_status status[4];
	char text[4][256];
	atomic_int count;
	struct gate gate;
};

static void note(struct report *report, int i, weir_status status)
{
	report->status[i] = status;
	snprintf(report->text[i], sizeof(report->text[i]), "%s", weir_error_text());
}

#define assert_noted(report, i, wanted, word)                                                           \
	do {                                                                                            \
		if ((report).status[i] != (wanted) || !has_word((report).text[i], (word)))              \
			fail_msg("%s, \"%s\"", weir_status_text((report).status[i]), (report).text[i]); \
	} while (0)

static weir_status wait_for_group(weir_task *task, void *argument)
{
	struct report *report = argument;
	(void)task;
	note(report, 0, weir_group_wait(report->group));
	return WEIR_OK;
}

static void a_task_that_waits_for_its_own_group_is_told(void **state)
{
	(void)state;
	weir_pool *pool = aware_pool(2);
	struct report report = {.group = hostile_group(pool)};
	assert_ok(weir_submit(report.group, wait_for_group, &report, NULL));
	assert_ok(weir_group_wait(report.group));
	assert_noted(report, 0, WEIR_EDEADLK, "own group");
	assert_ok(weir_group_destroy(report.group));
	end_pool(pool);
}

/* Holds both nodes' cores, and waits for one that needs some. */
static weir_status wait_with_a_grant(weir_task *task, void *argument)
{
	struct report *report = argument;
	(void)task;
	note(report, 0, weir_submit(report->group, count_up, &report->count, WEIR_DEMAND(.cores = 2)));
	note(report, 1, weir_group_wait(report->group));
	return WEIR_OK;
}

static void who_holds_a_grant_cannot_wait_for_one_that_waits_for_room(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true));
	weir_group *outer = hostile_group(pool);
	struct report report = {.group = hostile_group(pool)};
	assert_ok(weir_submit(outer, wait_with_a_grant, &report, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_group_wait(outer));
	assert_int_equal(report.status[0], WEIR_OK);
	assert_noted(report, 1, WEIR_EDEADLK, "holds a grant");
	assert_ok(weir_group_wait(report.group));
	assert_int_equal(report.count, 1);
	assert_ok(weir_group_destroy(outer));
	assert_ok(weir_group_destroy(report.group));
	end_pool(pool);
}

/* The adder: a plain member, so that there is something to wait for; it asks for room once its group is waited for. */
static weir_status ask_while_waited_for(weir_task *task, void *argument)
{
	struct report *report = argument;
	(void)task;
	await(&report->gate.there, 1);
	/* Before the holder waits this demand would just wait too, and the holder be the one that is told. */
	while (!at_load(&report->group->holders, relaxed, none))
		usleep(100);
	note(report, 0, weir_submit(report->group, count_up, &report->count, WEIR_DEMAND(.cores = 2)));
	return WEIR_OK;
}

static weir_status hold_and_wait(weir_task *task, void *argument)
{
	struct report *report = argument;
	(void)task;
	weir_status status = weir_submit(report->group, ask_while_waited_for, report, NULL);
	atomic_fetch_add(&report->gate.there, 1);
	note(report, 1, status ? status : weir_group_wait(report->group));
	return WEIR_OK;
}

static void who_is_waited_for_by_a_holder_cannot_add_what_has_no_room(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true));
	weir_group *outer = hostile_group(pool);
	struct report report = {.group = hostile_group(pool)};
	assert_ok(weir_submit(outer, hold_and_wait, &report, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_group_wait(outer));
	assert_ok(weir_group_wait(report.group));
	/* Whoever came second was told. */
	assert_true(report.status[0] == WEIR_EDEADLK || report.status[1] == WEIR_EDEADLK);
	assert_ok(weir_group_destroy(outer));
	assert_ok(weir_group_destroy(report.group));
	end_pool(pool);
}

/* The same through a plain task between: holder -> plain member -> another group that asks for room. */
struct relay {
	struct report inner;
	weir_group *middle;
	weir_status waited;
};

static weir_status plain_between(weir_task *task, void *argument)
{
	struct relay *relay = argument;
	(void)task;
	while (!atomic_load(&relay->inner.gate.open))
		usleep(100);
	usleep(2000);
	weir_status status = weir_submit(relay->inner.group, count_up, &relay->inner.count, WEIR_DEMAND(.cores = 2));
	note(&relay->inner, 0, status ? status : weir_group_wait(relay->inner.group));
	return WEIR_OK;
}

static weir_status hold_and_wait_for_the_plain_one(weir_task *task, void *argument)
{
	struct relay *relay = argument;
	(void)task;
	weir_status status = weir_submit(relay->middle, plain_between, relay, NULL);
	atomic_store(&relay->inner.gate.open, 1);
	relay->waited = status ? status : weir_group_wait(relay->middle);
	return WEIR_OK;
}

static void a_plain_task_between_holder_and_room_is_told(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true));
		weir_group *outer = hostile_group(pool);
		struct relay relay = {.inner.group = hostile_group(pool), .middle = hostile_group(pool)};
		assert_ok(weir_submit(outer, hold_and_wait_for_the_plain_one, &relay, WEIR_DEMAND(.cores = 1)));
		assert_ok(weir_group_wait(outer));
		assert_ok(weir_group_wait(relay.middle));
		assert_ok(weir_group_wait(relay.inner.group));
		assert_true(relay.waited == WEIR_EDEADLK || relay.inner.status[0] == WEIR_EDEADLK);
		assert_ok(weir_group_destroy(outer));
		assert_ok(weir_group_destroy(relay.middle));
		assert_ok(weir_group_destroy(relay.inner.group));
		end_pool(pool);
	}
}

/* Waits nested deeper than there are workers. */
struct nest {
	weir_pool *pool;
	int depth;
	atomic_int bottom;
};

static weir_status nest(weir_task *task, void *argument)
{
	struct nest *level = argument;
	(void)task;
	if (!level->depth) {
		atomic_fetch_add(&level->bottom, 1);
		return WEIR_OK;
	}
	struct nest below = {.pool = level->pool, .depth = level->depth - 1};
	weir_group *group;
	weir_status status = weir_group_create(&group, level->pool);
	if (status)
		return status;
	for (int i = 0; i < 2 && !status; i++)
		status = weir_submit(group, nest, &below,
				     level->depth % 4 ? NULL : WEIR_DEMAND(.task_class = WEIR_HIGH));
	weir_status waited = weir_group_wait(group);
	/* Without a thread to stand in there is nobody whom one could wait for. */
	if (waited == WEIR_EDEADLK && has_word(weir_error_text(), "no thread")) {
		fprintf(stderr, "%s\n", weir_error_text());
		_exit(77);
	}
	while (waited == WEIR_EDEADLK && weir_group_pending(group))
		usleep(100);
	atomic_fetch_add(&level->bottom, below.bottom);
	weir_status destroyed = weir_group_destroy(group);
	return status ? status : waited ? waited : destroyed;
}

static void waits_nested_deeper_than_the_workers_get_stand_ins(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = workers, .stack_bytes = 1 << 20));
		weir_group *group = hostile_group(pool);
		struct nest top = {.pool = pool, .depth = 9};
		assert_ok(weir_submit(group, nest, &top, NULL));
		assert_ok(weir_group_wait(group));
		assert_int_equal(top.bottom, 512);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

static weir_status wait_many_times(weir_task *task, void *argument)
{
	struct report *report = argument;
	(void)task;
	for (int i = 0; i < 2000; i++) {
		weir_group *group;
		weir_status status = weir_group_create(&group, report->pool);
		if (!status)
			status = weir_submit(group, count_up, &report->count, WEIR_DEMAND(.task_class = WEIR_HIGH));
		weir_status waited = status ? status : weir_group_wait(group);
		if (waited)
			return waited;
		status = weir_group_destroy(group);
		if (status)
			return status;
	}
	return WEIR_OK;
}

/* Seats: a stand-in that is just going to rest is not found yet, so there may be one or two more than tasks are blocked
 * at once; not one for each of 2,000 waits. */
static void a_task_that_waits_over_and_over_needs_one_stand_in(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	struct report report = {.pool = pool};
	weir_group *group = hostile_group(pool);
	assert_ok(weir_submit(group, wait_many_times, &report, NULL));
	assert_ok(weir_group_wait(group));
	assert_int_equal(report.count, 2000);
	assert_true(counts_of(pool).spares <= 4);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status wait_without_stand_in(weir_task *task, void *argument)
{
	struct report *report = argument;
	(void)task;
	atomic_fetch_add(&report->gate.there, 1);
	weir_status status = weir_group_wait(report->group);
	if (status == WEIR_EDEADLK) {
		note(report, 0, status);
		atomic_fetch_add(&report->count, 1);
	}
	return WEIR_OK;
}

static void past_spares_max_a_wait_is_an_error_and_no_hang(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .spares_max = 1));
	weir_group *waiters = hostile_group(pool);
	struct report report = {.group = hostile_group(pool)};
	assert_ok(weir_submit(report.group, stay, &report.gate, NULL));
	await(&report.gate.there, 1);
	for (int i = 0; i < 4; i++)
		assert_ok(weir_submit(waiters, wait_without_stand_in, &report, NULL));
	/* One of them waits, its stand-in too or it is told; with the last thread waiting nobody would be left. */
	await(&report.count, 1);
	atomic_store(&report.gate.open, 1);
	assert_ok(weir_group_wait(waiters));
	assert_noted(report, 0, WEIR_EDEADLK, "spares_max");
	assert_ok(weir_group_wait(report.group));
	assert_ok(weir_group_destroy(waiters));
	assert_ok(weir_group_destroy(report.group));
	end_pool(pool);
}

/* Cancelling. ---------------------------------------------------------------------------------------------------- */

static weir_status until_cancelled(weir_task *task, void *argument)
{
	atomic_fetch_add((atomic_int *)argument, 1);
	while (!weir_task_cancelled(task))
		usleep(100);
	return WEIR_OK;
}

static void a_cancel_reaches_what_runs_is_ready_waits_and_is_held(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .resource_aware = true));
	weir_group *group = hostile_group(pool);
	weir_group *held = hostile_group(pool);
	atomic_int running = 0, ran = 0;
	assert_ok(weir_submit(group, until_cancelled, &running, WEIR_DEMAND(.cores = 1)));
	await(&running, 1);
	for (int i = 0; i < 100; i++)
		assert_ok(weir_submit(group, count_up, &ran, i % 2 ? WEIR_DEMAND(.cores = 1) : NULL));
	assert_ok(weir_group_after(held, group));
	for (int i = 0; i < 100; i++)
		assert_ok(weir_submit(held, count_up, &ran, i % 2 ? WEIR_DEMAND(.cores = 1) : NULL));
	weir_group_cancel(held);
	assert_int_equal(weir_group_wait(held), WEIR_ECANCELED);
	weir_group_cancel(group);
	weir_group_cancel(group);
	assert_true(weir_group_cancelled(group));
	assert_error(weir_submit(group, count_up, &ran, NULL), WEIR_ECANCELED, "weir_group_reset");
	assert_int_equal(weir_group_wait(group), WEIR_ECANCELED);
	assert_int_equal(ran, 0);
	assert_int_equal(counts_of(pool).cancelled, 200);
	assert_ok(weir_group_reset(group));
	assert_ok(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_group_wait(group));
	assert_int_equal(ran, 1);
	assert_ok(weir_group_destroy(held));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status fail_with(weir_task *task, void *argument)
{
	(void)task;
	return *(weir_status *)argument;
}

static void the_first_error_of_a_group_stays(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2));
	weir_group *group = hostile_group(pool);
	weir_status first = WEIR_EUSER + 1, second = WEIR_EUSER + 2;
	assert_ok(weir_submit(group, fail_with, &first, NULL));
	assert_error(weir_group_wait(group), first, "status 1001 (application error)");
	assert_ok(weir_submit(group, fail_with, &second, NULL));
	assert_int_equal(weir_group_wait(group), first);
	weir_group_cancel(group);
	assert_int_equal(weir_group_wait(group), first);
	assert_ok(weir_group_reset(group));
	assert_ok(weir_group_wait(group));
	/* The text is this wait's, not that of whatever failed before. */
	assert_error(weir_submit(NULL, fail_with, NULL, NULL), WEIR_EINVAL, "group is NULL");
	weir_group_cancel(group);
	assert_error(weir_group_wait(group), WEIR_ECANCELED, "cancelled");
	assert_ok(weir_group_reset(group));
	assert_error(weir_pool_run(pool, fail_with, &second, NULL), second, "status 1002 (application error)");
	assert_ok(weir_group_destroy(group));
	assert_int_equal(counts_of(pool).failed, 3);
	end_pool(pool);
}

static void a_group_in_use_or_destroyed_is_known(void **state)
{
	(void)state;
	weir_pool *pool = aware_pool(2);
	weir_group *group = hostile_group(pool);
	weir_group *other = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	assert_ok(weir_submit(group, stay, &gate, NULL));
	assert_ok(weir_group_after(other, group));
	assert_error(weir_group_destroy(group), WEIR_EBUSY, "pending tasks");
	assert_error(weir_group_destroy(other), WEIR_EBUSY, "chained");
	assert_error(weir_group_reset(group), WEIR_EBUSY, "pending tasks");
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_pool_drain(pool));
	assert_ok(weir_group_destroy(group));
	assert_error(weir_group_destroy(group), WEIR_EINVAL, "destroyed before");
	assert_error(weir_submit(group, count_up, &count, NULL), WEIR_EINVAL, "destroyed");
	assert_error(weir_group_wait(group), WEIR_EINVAL, "destroyed");
	assert_error(weir_group_reset(group), WEIR_EINVAL, "destroyed");
	assert_error(weir_group_after(other, group), WEIR_EINVAL, "destroyed");
	assert_error(weir_group_after(group, other), WEIR_EINVAL, "destroyed");
	weir_group_cancel(group);
	assert_error(weir_group_after(other, other), WEIR_EINVAL, "after itself");
	assert_error(weir_group_after(NULL, other), WEIR_EINVAL, "NULL");
	assert_error(weir_group_create(NULL, pool), WEIR_EINVAL, "out is NULL");
	assert_error(weir_group_create(&group, NULL), WEIR_EINVAL, "pool is NULL");
	assert_error(weir_group_wait(NULL), WEIR_EINVAL, "group is NULL");
	assert_error(weir_group_reset(NULL), WEIR_EINVAL, "group is NULL");
	assert_error(weir_submit(NULL, count_up, &count, NULL), WEIR_EINVAL, "group is NULL");
	assert_error(weir_submit(other, NULL, &count, NULL), WEIR_EINVAL, "fn is NULL");
	weir_group_cancel(NULL);
	assert_false(weir_group_cancelled(NULL));
	assert_int_equal(weir_group_pending(NULL), 0);
	assert_ok(weir_group_destroy(NULL));
	weir_pool *stranger = hostile_pool(WEIR_OPTIONS(.workers = 1));
	weir_group *foreign = hostile_group(stranger);
	assert_error(weir_group_after(foreign, other), WEIR_EINVAL, "two pools");
	assert_ok(weir_group_destroy(foreign));
	end_pool(stranger);
	assert_ok(weir_group_destroy(other));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_that_waits_for_its_own_group_is_told),
		cmocka_unit_test(who_holds_a_grant_cannot_wait_for_one_that_waits_for_room),
		cmocka_unit_test(who_is_waited_for_by_a_holder_cannot_add_what_has_no_room),
		cmocka_unit_test(waits_nested_deeper_than_the_workers_get_stand_ins),
		cmocka_unit_test(a_task_that_waits_over_and_over_needs_one_stand_in),
		cmocka_unit_test(past_spares_max_a_wait_is_an_error_and_no_hang),
		cmocka_unit_test(a_cancel_reaches_what_runs_is_ready_waits_and_is_held),
		cmocka_unit_test(the_first_error_of_a_group_stays),
		cmocka_unit_test(a_group_in_use_or_destroyed_is_known),
		cmocka_unit_test(a_plain_task_between_holder_and_room_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
