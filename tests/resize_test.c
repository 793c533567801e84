/* SPDX-License-Identifier: MIT */
/* resize_test.c - live grants that shrink and grow, alone and under a task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "house.h"
#include "runtime/book.h"
#include "runtime/task.h"

static weir_tracker *make(const weir_limits *limits)
{
	weir_tracker *tracker;
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = limits)))
		fail_msg("%s", weir_error_text());
	return tracker;
}

static void assert_held(weir_tracker *tracker, weir_grant grant, double cores, uint64_t memory_bytes)
{
	weir_allocation allocation;
	weir_usage usage;
	assert_int_equal(weir_tracker_look(tracker, grant, &allocation), WEIR_OK);
	assert_int_equal(weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	if (allocation.held.cores != cores || allocation.held.memory_bytes != memory_bytes ||
	    usage.held.cores != cores || usage.held.memory_bytes != memory_bytes)
		fail_msg("%g cores and %llu bytes", allocation.held.cores,
			 (unsigned long long)allocation.held.memory_bytes);
	assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
}

/* L2: what a grant gives back, or takes on top, is missing in one place only; what can not be is refused and changes
 * nothing; one word and several. Fails if the book and the ledger are not changed by the same units. */
static void a_grant_shrinks_and_grows_and_all_adds_up(void **state)
{
	(void)state;
	for (int total = 0; total < 2; total++) {
		const weir_node_limit node[] = {{.memory_bytes = 64 * MIB}, {.memory_bytes = 64 * MIB}};
		weir_tracker *tracker = make(WEIR_LIMITS(.cores = total ? 6 : 0, .node = node, .nodes = 2));
		weir_grant grant, other;
		assert_int_equal(
			weir_tracker_allocate(tracker, "it", WEIR_DEMAND(.cores = 3, .memory_bytes = 32 * MIB), NULL),
			WEIR_OK);
		weir_allocation found;
		assert_int_equal(weir_tracker_find(tracker, "it", &found), WEIR_OK);
		grant = found.grant;
		assert_int_equal(
			weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = 1.2, .memory_bytes = 16 * MIB}),
			WEIR_OK);
		assert_held(tracker, grant, 77.0 / 64, 16 * MIB);
		assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = 2}), WEIR_EINVAL);
		assert_non_null(strstr(weir_error_text(), "to is 2 cores of CPU, the grant holds 1.203125 cores"));
		assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = -1}), WEIR_EINVAL);
		assert_held(tracker, grant, 77.0 / 64, 16 * MIB);
		assert_int_equal(
			weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = 1, .memory_bytes = 16 * MIB}),
			WEIR_OK);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.cores = 1, .memory_bytes = 1}),
				 WEIR_OK);
		assert_held(tracker, grant, 2, 16 * MIB + 4096);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.cores = 2.5}), WEIR_EINFEASIBLE);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.memory_bytes = 49 * MIB}),
				 WEIR_EINFEASIBLE);
		assert_int_equal(weir_tracker_take(tracker,
						   WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(0), .home_only = true),
						   &other, NULL),
				 WEIR_OK);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.cores = .5}), WEIR_EAGAIN);
		assert_int_equal(weir_tracker_give(tracker, other), WEIR_OK);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.cores = 2}), WEIR_OK);
		assert_held(tracker, grant, 4, 16 * MIB + 4096);
		/* It may hold nothing, and is a grant still. */
		assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){0}), WEIR_OK);
		assert_held(tracker, grant, 0, 0);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.memory_bytes = MIB}), WEIR_OK);
		assert_held(tracker, grant, 0, MIB);
		assert_int_equal(weir_tracker_release(tracker, "it"), WEIR_OK);
		assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){0}), WEIR_ESTALE);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.cores = 1}), WEIR_ESTALE);
		assert_int_equal(weir_tracker_shrink(tracker, (weir_grant){0}, &(weir_amount){0}), WEIR_ESTALE);
		assert_int_equal(weir_tracker_shrink(NULL, grant, &(weir_amount){0}), WEIR_EINVAL);
		assert_int_equal(weir_tracker_grow(tracker, grant, NULL), WEIR_EINVAL);
		assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
		assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
	}
}

/* L2: what was taken without anything counted, and grew by something, gives back both; by the thread that took it, too, which
 * may keep what it gives for itself. Fails if the short way of a release does not see what came on top. */
static void what_came_on_top_goes_back_as_well(void **state)
{
	(void)state;
	weir_tracker *tracker = make(WEIR_LIMITS(.counted = {4}, .counted_name = {"tape"}));
	for (int i = 0; i < 20000; i++) {
		weir_grant grant;
		weir_usage usage;
		if (i % 1000) { /* so that it has a credit for such pairs, if it ever gets one */
			assert_int_equal(weir_tracker_take(tracker, WEIR_DEMAND(.cores = .25), &grant, NULL), WEIR_OK);
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
			continue;
		}
		assert_int_equal(weir_tracker_take(tracker, WEIR_DEMAND(.cores = .25), &grant, NULL), WEIR_OK);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.counted = {3}}), WEIR_OK);
		if (i % 4000 == 0)
			assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = .25}), WEIR_OK);
		assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
		assert_int_equal(weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
		assert_int_equal(usage.held.counted[0], 0);
		assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
	}
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* B5, B1: while a record is changed nobody else changes it or reads it; who gives it back leaves that to who changes it,
 * and nobody gives it back twice. Fails if BUSY is taken for gone, or a release meanwhile is forgotten. */
static void a_grant_that_is_being_changed_is_busy(void **state)
{
	(void)state;
	for (int given = 0; given < 2; given++) {
		weir_tracker *tracker = make(NULL);
		weir_grant grant;
		struct book_record record;
		weir_allocation allocation;
		assert_int_equal(weir_tracker_allocate(tracker, "it", WEIR_DEMAND(.cores = 2), NULL), WEIR_OK);
		assert_int_equal(weir_tracker_find(tracker, "it", &allocation), WEIR_OK);
		grant = allocation.grant;
		assert_int_equal(book_begin_change(tracker->book, grant, &record), WEIR_OK);
		assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = 1}), WEIR_EBUSY);
		assert_int_equal(weir_tracker_grow(tracker, grant, &(weir_amount){.cores = 1}), WEIR_EBUSY);
		assert_int_equal(weir_tracker_look(tracker, grant, &allocation), WEIR_EBUSY);
		assert_int_equal(weir_tracker_find(tracker, "it", &allocation), WEIR_EBUSY);
		if (given) {
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_ESTALE);
			assert_int_equal(weir_tracker_release(tracker, "it"), WEIR_ENOENT);
			assert_int_equal(weir_tracker_look(tracker, grant, &allocation), WEIR_ESTALE);
			assert_int_equal(weir_tracker_shrink(tracker, grant, &(weir_amount){.cores = 1}), WEIR_ESTALE);
			assert_true(book_changed(tracker->book, grant, record.main, record.counted));
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_ESTALE);
		} else {
			assert_false(book_changed(tracker->book, grant, record.main, record.counted));
			assert_held(tracker, grant, 2, 0);
			assert_int_equal(weir_tracker_release(tracker, "it"), WEIR_OK);
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_ESTALE);
			assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
		}
		weir_usage usage;
		assert_int_equal(weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
		assert_int_equal(usage.grants, 0);
		assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
	}
}

/* What a grant gives back by shrinking starts who waits; growing does not dig into a claim. */
static void shrinking_starts_who_waits_and_growing_obeys_a_claim(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 3));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 2), NULL);
	now_ns += 1;
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	assert_int_equal(counts_of(&house).claims, 1);
	assert_int_equal(weir_tracker_grow(house.tracker, a, &(weir_amount){.cores = .5}), WEIR_EAGAIN);
	assert_int_equal(weir_tracker_shrink(house.tracker, a, &(weir_amount){.cores = 2.5}), WEIR_OK);
	assert_int_equal(told_count, 0);
	assert_int_equal(weir_tracker_shrink(house.tracker, a, &(weir_amount){.cores = 2}), WEIR_OK);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	assert_int_equal(weir_tracker_grow(house.tracker, a, &(weir_amount){.cores = .5}), WEIR_OK);
	release(&house, a);
	pull_down(&house, 2);
}

/* Q3: the count of those who may help goes below zero and up again, and never becomes "any". */
static void helpers_that_are_too_many_go_first(void **state)
{
	(void)state;
	struct weir_task task;
	memset(&task, 0, sizeof(task));
	task_open_help(&task, 3);
	uint32_t counted[4];
	for (int i = 0; i < 3; i++)
		assert_true(task_helper_in(&task, &counted[i]));
	assert_false(task_helper_in(&task, &counted[3]));
	task_change_help(&task, -2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(task_help_left(&task), 0);
		assert_false(task_helper_in(&task, &counted[3]));
		task_helper_out(&task, counted[i]);
	}
	assert_false(task_helper_in(&task, &counted[3]));
	task_helper_out(&task, counted[2]);
	assert_int_equal(task_help_left(&task), 1);
	task_change_help(&task, 5);
	assert_int_equal(task_help_left(&task), 6);
	task_open_help(&task, TASK_HELP_ANY);
	task_change_help(&task, -1);
	assert_int_equal(task_help_left(&task), TASK_HELP_ANY);
	assert_true(task_helper_in(&task, &counted[0]));
}

struct steps {
	weir_tracker *tracker;
	int line; /* of the first expectation that was not met */
};

#define EXPECT(condition)                         \
	do {                                      \
		if (!(condition) && !steps->line) \
			steps->line = __LINE__;   \
	} while (0)

static weir_status shrink_and_grow(weir_task *task, void *context)
{
	struct steps *steps = context;
	weir_allocation allocation;
	EXPECT(weir_task_alloc(task, 4 * MIB));
	EXPECT(weir_task_shrink(task, &(weir_amount){.cores = 1, .memory_bytes = 2 * MIB}) == WEIR_EINVAL);
	EXPECT(weir_task_shrink(task, &(weir_amount){.cores = 4, .memory_bytes = 4 * MIB}) == WEIR_EINVAL);
	EXPECT(weir_task_cores(task) == 3);
	EXPECT(weir_task_alloc(task, MIB));
	EXPECT(weir_task_shrink(task, &(weir_amount){.cores = 1.5, .memory_bytes = 6 * MIB}) == WEIR_OK);
	EXPECT(weir_task_cores(task) == 2);
	EXPECT(!weir_task_alloc(task, MIB + 1));
	EXPECT(weir_tracker_look(steps->tracker, weir_task_grant(task), &allocation) == WEIR_OK);
	EXPECT(allocation.held.cores == 1.5 && allocation.held.memory_bytes == 6 * MIB);
	EXPECT(weir_task_grow(task, &(weir_amount){.cores = 2.5, .memory_bytes = 2 * MIB}) == WEIR_OK);
	EXPECT(weir_task_cores(task) == 4);
	EXPECT(weir_task_alloc(task, 3 * MIB));
	EXPECT(!weir_task_alloc(task, 1));
	EXPECT(weir_task_grow(task, &(weir_amount){.cores = 1}) == WEIR_EINFEASIBLE);
	EXPECT(weir_task_shrink(task, &(weir_amount){.memory_bytes = 8 * MIB}) == WEIR_OK);
	EXPECT(weir_task_cores(task) == 1);
	EXPECT(weir_task_grow(NULL, &(weir_amount){.cores = 1}) == WEIR_EINVAL);
	return WEIR_OK;
}

static weir_status cannot(weir_task *task, void *context)
{
	struct steps *steps = context;
	EXPECT(weir_task_shrink(task, &(weir_amount){0}) == WEIR_EINVAL);
	EXPECT(weir_task_grow(task, &(weir_amount){.cores = 1}) == WEIR_EINVAL);
	return WEIR_OK;
}

/* W7: what a task may use is what its grant holds, after each change. */
static void a_task_may_use_what_it_kept_and_what_it_got_on_top(void **state)
{
	(void)state;
	weir_pool *pool;
	weir_group *group;
	const weir_node_limit node[] = {{.cores = 4, .memory_bytes = 64 * MIB}};
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .workers = 2,
							      .resource_aware = true, .no_pinning = true,
							      .limits = WEIR_LIMITS(.node = node, .nodes = 1))),
			 WEIR_OK);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	struct steps steps = {.tracker = weir_pool_tracker(pool)};
	assert_int_equal(weir_submit(group, shrink_and_grow, &steps, WEIR_DEMAND(.cores = 3, .memory_bytes = 8 * MIB)),
			 WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_submit(group, cannot, &steps, NULL), WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(steps.line, 0);
	assert_int_equal(weir_tracker_audit(steps.tracker), WEIR_OK);
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(steps.tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	assert_true(usage.held.cores == 0 && usage.held.memory_bytes == 0 && usage.grants == 0);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_shrinks_and_grows_and_all_adds_up),
		cmocka_unit_test(what_came_on_top_goes_back_as_well),
		cmocka_unit_test(a_grant_that_is_being_changed_is_busy),
		cmocka_unit_test(shrinking_starts_who_waits_and_growing_obeys_a_claim),
		cmocka_unit_test(helpers_that_are_too_many_go_first),
		cmocka_unit_test(a_task_may_use_what_it_kept_and_what_it_got_on_top),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
