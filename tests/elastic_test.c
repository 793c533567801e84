/* SPDX-License-Identifier: MIT */
/* elastic_test.c - demands that take what they get, between a least and a most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "house.h"

static weir_tracker *make(const weir_limits *limits)
{
	weir_tracker *tracker;
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = limits)))
		fail_msg("%s", weir_error_text());
	return tracker;
}

static weir_amount held_by(weir_tracker *tracker, weir_grant grant)
{
	weir_allocation allocation;
	assert_int_equal(weir_tracker_look(tracker, grant, &allocation), WEIR_OK);
	return allocation.held;
}

/* The highest step at which all that is elastic fits, with the room that others leave: never above it, never below the
 * least, every amount at the same step; one word and several. Fails if a step more is taken, or one less than fits. */
static void it_gets_the_highest_step_that_fits(void **state)
{
	(void)state;
	static const struct {
		double held, least, most;
		uint64_t memory_least, memory_most;
		uint32_t steps;
		double gets; /* 0: refused */
		uint64_t gets_memory;
	} cases[] = {
		{0, 1, 4, 0, 0, 0, 4, 0},
		{1, 1, 4, 0, 0, 0, 3, 0},
		{2.5, 1, 4, 0, 0, 0, 1, 0},
		{2.5, 1, 4, 0, 0, 6, 1.5, 0},
		{3.5, 1, 4, 0, 0, 0, 0, 0},
		{0, 2, 2, 0, 0, 7, 2, 0},
		/* More than there is at all, cores and memory at the same step. */
		{0, 2, 100, 0, 0, 0, 4, 0},
		{2, 1, 5, 16 * MIB, 80 * MIB, 4, 2, 32 * MIB},
		{0, 1, 5, 16 * MIB, 176 * MIB, 4, 2, 56 * MIB},
		{0, 1, 1, 64 * MIB, 80 * MIB, 0, 1, 64 * MIB},
		{0, 1, 1, 32 * MIB, 48 * MIB, 0, 1, 48 * MIB},
		{0, 1, 1, 32 * MIB, 96 * MIB, 0, 1, 64 * MIB},
		{0, 1, 2, 65 * MIB, 66 * MIB, 0, 0, 0},
		{0, .25, 3.5, 1, 4096, 13, 3.5, 4096},
	};
	static const weir_node_limit node[] = {{.memory_bytes = 64 * MIB}, {.cores = -1, .memory_bytes = WEIR_NONE}};
	for (int words = 1; words <= 2; words++)
		for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
			weir_tracker *tracker = make(words == 1 ? WEIR_LIMITS(.node = node, .nodes = 2)
								: WEIR_LIMITS(.node = node, .nodes = 2, .counted = {1},
									      .counted_name = {"gpu"}));
			weir_grant held = {0}, grant;
			if (cases[i].held != 0)
				assert_int_equal(
					weir_tracker_take(tracker, WEIR_DEMAND(.cores = cases[i].held), &held, NULL),
					WEIR_OK);
			weir_demand demand = {.size = sizeof(demand),
					      .cores = cases[i].most,
					      .cores_min = cases[i].least,
					      .memory_bytes = cases[i].memory_most,
					      .memory_min_bytes = cases[i].memory_least,
					      .counted = {words == 2},
					      .steps = cases[i].steps};
			assert_int_equal(weir_tracker_can_allocate(tracker, &demand), cases[i].gets != 0);
			weir_status status = weir_tracker_take(tracker, &demand, &grant, NULL);
			if (cases[i].gets == 0) {
				assert_true(status == WEIR_EAGAIN || status == WEIR_EINFEASIBLE);
			} else {
				weir_amount amount = held_by(tracker, grant);
				if (amount.cores != cases[i].gets || amount.memory_bytes != cases[i].gets_memory)
					fail_msg("case %zu: %g cores, %llu bytes", i, amount.cores,
						 (unsigned long long)amount.memory_bytes);
				assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
			}
			if (held.handle)
				assert_int_equal(weir_tracker_give(tracker, held), WEIR_OK);
			assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
			assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
		}
}

/* Floors, claims and debts count: what is kept from others is kept from the steps above the least, too. */
static void what_is_kept_from_others_is_kept_from_the_steps(void **state)
{
	(void)state;
	weir_tracker *tracker = make(NULL);
	struct ledger *ledger = &tracker->ledger;
	const weir_demand *demand = WEIR_DEMAND(.cores = 4, .cores_min = 1);
	struct packed least, one, half;
	struct elastic elastic;
	assert_int_equal(limits_pack(&ledger->limits, demand, &least), WEIR_OK);
	elastic_pack(&ledger->limits, demand, &elastic);
	assert_int_equal(elastic.steps, 3);
	assert_int_equal(limits_pack(&ledger->limits, WEIR_DEMAND(.cores = 1), &one), WEIR_OK);
	assert_int_equal(limits_pack(&ledger->limits, WEIR_DEMAND(.cores = .5), &half), WEIR_OK);
	struct taken taken, first;
	struct shortage why;
	bool waiters = false;
	ledger_claim(ledger, 0, &one, false);
	static const struct {
		int flags;
		bool floor;
		uint32_t cores;
	} cases[] = {{0, false, 3},
		     {LEDGER_AS_CLAIMANT, false, 4},
		     {LEDGER_BACKFILL, false, 4},
		     {LEDGER_LEAST, false, 1},
		     {0, true, 3}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(ledger_take_elastic(ledger, &least, &elastic, cases[i].floor ? &one : NULL, 0,
						     cases[i].flags, &taken, &why, &waiters),
				 LEDGER_TAKEN);
		assert_int_equal(word_get(taken.units.main, WEIR_CPU), 64 * cases[i].cores);
		(void)ledger_give(ledger, &taken);
	}
	/* Not free any more, so the floor counts. */
	assert_int_equal(ledger_take(ledger, &half, NULL, 0, 0, &first, &why, &waiters), LEDGER_TAKEN);
	assert_int_equal(ledger_take_elastic(ledger, &least, &elastic, &one, 0, 0, &taken, &why, &waiters),
			 LEDGER_TAKEN);
	assert_int_equal(word_get(taken.units.main, WEIR_CPU), 64);
	(void)ledger_give(ledger, &taken);
	ledger_unclaim(ledger, 0, &one);
	(void)ledger_give(ledger, &first);
	assert_int_equal(ledger_set_limits(ledger, WEIR_LIMITS(.cores = 4), &waiters), WEIR_OK);
	assert_int_equal(ledger_take_elastic(ledger, &least, &elastic, NULL, 0, 0, &taken, &why, &waiters),
			 LEDGER_TAKEN);
	assert_int_equal(word_get(taken.units.main, WEIR_CPU), 128);
	(void)ledger_give(ledger, &taken);
	assert_false(waiters);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* Errors name the field; a demand that is as small as it is large is no elastic one. */
static void elastic_demands_that_can_not_be_are_refused(void **state)
{
	(void)state;
	weir_tracker *tracker = make(NULL);
	const struct {
		weir_demand demand;
		const char *says;
	} cases[] = {
		{{.cores = 2, .cores_min = 3}, "cores_min is 3"},
		{{.cores = 2, .cores_min = -1}, "cores_min is -1"},
		{{.cores = 2, .cores_min = 0.0 / 0.0}, "cores_min is"},
		{{.cores = 2, .memory_min_bytes = 1}, "memory_min_bytes is 1"},
		{{.cores = 2, .bandwidth_min_bytes_s = 7}, "bandwidth_min_bytes_s is 7"},
		{{.cores = 2, .cores_min = 1, .steps = 65536}, "steps is 65536"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_demand demand = cases[i].demand;
		weir_grant grant;
		demand.size = sizeof(demand);
		assert_int_equal(weir_tracker_take(tracker, &demand, &grant, NULL), WEIR_EINVAL);
		assert_non_null(strstr(weir_error_text(), cases[i].says));
	}
	weir_packed packed;
	assert_int_equal(weir_tracker_pack(tracker, WEIR_DEMAND(.cores = 2, .cores_min = 1), &packed), WEIR_EINVAL);
	assert_int_equal(weir_tracker_pack(tracker, WEIR_DEMAND(.cores = 2, .cores_min = 2), &packed), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* It waits for its least only, gets what there is then, and equal ones wait as one shape. */
static void who_waits_for_its_least_gets_what_there_is(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"), (weir_admission_options){0});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 3)), b = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .cores_min = 2), NULL);
	(void)queue(&house, WEIR_DEMAND(.cores = 3, .cores_min = 2), &told);
	release(&house, b);
	assert_int_equal(told_count, 0);
	release(&house, a);
	assert_int_equal(told_count, 1);
	assert_true(held_by(house.tracker, told[0].grant).cores == 4);
	release(&house, told[0].grant);
	assert_int_equal(told_count, 2);
	assert_ptr_equal(told[1].context, &told);
	assert_true(held_by(house.tracker, told[1].grant).cores == 3);
	release(&house, told[1].grant);
	pull_down(&house, 4);
}

struct seen {
	weir_tracker *tracker;
	weir_amount held;
	uint32_t cores;
	bool all, more;
};

static weir_status look_round(weir_task *task, void *context)
{
	struct seen *seen = context;
	seen->held = held_by(seen->tracker, weir_task_grant(task));
	seen->cores = weir_task_cores(task);
	seen->all = weir_task_alloc(task, seen->held.memory_bytes) != NULL;
	seen->more = weir_task_alloc(task, 1) != NULL;
	return WEIR_OK;
}

/* A task may use what it got: its cores and its memory, to the last byte and not one more. */
static void a_task_may_use_what_it_got(void **state)
{
	(void)state;
	weir_pool *pool;
	weir_group *group;
	const weir_node_limit node[] = {{.cores = 3, .memory_bytes = 20 * MIB}};
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .workers = 1,
							      .resource_aware = true, .no_pinning = true,
							      .limits = WEIR_LIMITS(.node = node, .nodes = 1))),
			 WEIR_OK);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	struct seen seen = {.tracker = weir_pool_tracker(pool)};
	const weir_demand *demand =
		WEIR_DEMAND(.cores = 4, .cores_min = 1, .memory_bytes = 40 * MIB, .memory_min_bytes = 4 * MIB);
	assert_int_equal(weir_submit(group, look_round, &seen, demand), WEIR_OK);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	/* One step of three is 1 core and 12 MiB: the second does not fit into 20 MiB. */
	assert_int_equal(seen.cores, 2);
	assert_true(seen.held.cores == 2 && seen.held.memory_bytes == 16 * MIB);
	assert_true(seen.all && !seen.more);
	assert_int_equal(weir_tracker_audit(seen.tracker), WEIR_OK);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gets_the_highest_step_that_fits),
		cmocka_unit_test(what_is_kept_from_others_is_kept_from_the_steps),
		cmocka_unit_test(elastic_demands_that_can_not_be_are_refused),
		cmocka_unit_test(who_waits_for_its_least_gets_what_there_is),
		cmocka_unit_test(a_task_may_use_what_it_got),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
