/* SPDX-License-Identifier: MIT */
/* relimit_test.c - limits that change while they are in use: what they become, what is owed, and who pays it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "house.h"
#include "invented.h"
#include <weir/weir.h>

#define GIB (UINT64_C(1) << 30)

static void assert_limits(const weir_tracker *tracker, double cores0, double cores1, double cores)
{
	static const uint32_t nodes[] = {0, 1, WEIR_ALL_NODES};
	const double expected[] = {cores0, cores1, cores};
	for (size_t i = 0; i < ARRAY_LENGTH(nodes); i++) {
		weir_usage usage;
		assert_int_equal(weir_tracker_usage((weir_tracker *)tracker, nodes[i], &usage), WEIR_OK);
		if (usage.limit.cores != expected[i])
			fail_msg("%u: %g cores, not %g", nodes[i], usage.limit.cores, expected[i]);
	}
}

static double held_cores(weir_tracker *tracker)
{
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	return usage.held.cores;
}

static weir_tracker *make(const weir_limits *limits)
{
	weir_tracker *tracker;
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = limits)))
		fail_msg("%s", weir_error_text());
	return tracker;
}

static weir_grant take(weir_tracker *tracker, double cores, uint32_t node)
{
	weir_grant grant;
	if (weir_tracker_take(tracker, WEIR_DEMAND(.cores = cores, .home = WEIR_NODE(node), .home_only = true), &grant,
			      NULL))
		fail_msg("%s", weir_error_text());
	return grant;
}

static bool fits(weir_tracker *tracker, double cores, uint32_t node)
{
	weir_grant grant;
	const weir_demand *demand = WEIR_DEMAND(.cores = cores, .home = WEIR_NODE(node), .home_only = true);
	bool can = weir_tracker_can_allocate(tracker, demand);
	bool does = weir_tracker_take(tracker, demand, &grant, NULL) == WEIR_OK;
	assert_int_equal(can, does);
	if (does)
		assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
	return does;
}

static void set(weir_tracker *tracker, const weir_limits *limits)
{
	if (weir_tracker_set_limits(tracker, limits))
		fail_msg("%s", weir_error_text());
	assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
}

/* L2: higher is there at once; lower than what is held hurts nobody, but nobody takes until enough is back. Fails if what
 * is owed is taken, paid twice or never, or if a refusal outlives the debt. */
static void what_is_held_above_a_lowered_limit_is_paid_by_what_comes_back(void **state)
{
	(void)state;
	for (int total = 0; total < 2; total++) {
		const weir_node_limit six[] = {{.cores = 6}, {.cores = 6}}, two[] = {{.cores = 2}, {.cores = 6}};
		const weir_limits *high = WEIR_LIMITS(.cores = total ? 11 : 0, .node = six, .nodes = 2);
		weir_tracker *tracker = make(high);
		weir_grant a = take(tracker, 3, 0), b = take(tracker, 2, 0), c = take(tracker, 3, 1);
		set(tracker, WEIR_LIMITS(.cores = total ? 7 : 0, .node = two, .nodes = 2));
		assert_limits(tracker, 2, 6, total ? 7 : 8);
		assert_true(held_cores(tracker) == 8);
		assert_false(fits(tracker, 0.5, 0));
		assert_int_equal(fits(tracker, 3, 1), !total);
		assert_int_equal(weir_tracker_give(tracker, b), WEIR_OK);
		assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
		assert_false(fits(tracker, 0.5, 0));
		assert_true(fits(tracker, 1, 1));
		assert_int_equal(weir_tracker_give(tracker, a), WEIR_OK);
		assert_true(fits(tracker, 2, 0));
		assert_false(fits(tracker, 2.5, 0));
		/* A demand above the limit will never fit: said as such. */
		weir_grant never;
		assert_int_equal(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 6.5), &never, NULL), WEIR_EINFEASIBLE);
		a = take(tracker, 2, 0);
		set(tracker, high);
		assert_limits(tracker, 6, 6, total ? 11 : 12);
		assert_true(fits(tracker, 4, 0));
		assert_int_equal(weir_tracker_give(tracker, a), WEIR_OK);
		assert_int_equal(weir_tracker_give(tracker, c), WEIR_OK);
		assert_true(held_cores(tracker) == 0);
		for (uint32_t w = 0; w < tracker->ledger.words; w++) {
			assert_int_equal(ledger_word_spare(&tracker->ledger, w),
					 ledger_word_limit(&tracker->ledger, w));
			assert_int_equal(ledger_word_debt(&tracker->ledger, w), 0);
			assert_false(at_load(&tracker->ledger.word[w].spare, relaxed, none) & WORD_CLAIM);
		}
		assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
	}
}

/* Higher first pays what is owed from before. Fails if the raise is spare while others hold it. */
static void a_limit_that_is_raised_again_pays_the_debt_first(void **state)
{
	(void)state;
	const weir_node_limit four[] = {{.cores = 4}, {.cores = -1}}, one[] = {{.cores = 1}, {.cores = -1}};
	const weir_node_limit three[] = {{.cores = 3}, {.cores = -1}};
	weir_tracker *tracker = make(WEIR_LIMITS(.node = four, .nodes = 2));
	weir_grant a = take(tracker, 2, 0), b = take(tracker, 1.5, 0);
	set(tracker, WEIR_LIMITS(.node = one, .nodes = 2));
	assert_false(fits(tracker, 0.5, 0));
	set(tracker, WEIR_LIMITS(.node = three, .nodes = 2));
	assert_false(fits(tracker, 0.25, 0));
	set(tracker, WEIR_LIMITS(.node = four, .nodes = 2));
	assert_true(fits(tracker, 0.5, 0));
	assert_false(fits(tracker, 0.75, 0));
	assert_int_equal(weir_tracker_give(tracker, a), WEIR_OK);
	assert_int_equal(weir_tracker_give(tracker, b), WEIR_OK);
	set(tracker, NULL);
	assert_limits(tracker, 4, 4, 8);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* A total without a word is dealt out; one with a word is set. Whole cores stay whole; the parts sum to the total. */
static void a_total_that_did_not_bind_is_dealt_out_to_the_nodes(void **state)
{
	(void)state;
	weir_tracker *tracker = make(NULL);
	assert_true(tracker->ledger.one_word);
	set(tracker, WEIR_LIMITS(.cores = 5));
	assert_limits(tracker, 2, 3, 5);
	set(tracker, WEIR_LIMITS(.cores = 1.5));
	assert_limits(tracker, 0.75, 0.75, 1.5);
	set(tracker, WEIR_LIMITS(.cores = 8));
	assert_limits(tracker, 4, 4, 8);
	set(tracker, WEIR_LIMITS(.memory_bytes = 4096 * 3));
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	assert_int_equal(usage.limit.memory_bytes, 4096 * 3);
	set(tracker, NULL);
	assert_limits(tracker, 4, 4, 8);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
	tracker = make(WEIR_LIMITS(.cores = 6));
	assert_false(tracker->ledger.one_word);
	set(tracker, WEIR_LIMITS(.cores = 3));
	assert_limits(tracker, 3, 3, 3);
	set(tracker, NULL);
	assert_limits(tracker, 4, 4, 8);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* What can not be is refused in words that name it and say what would do, and changes nothing. */
static void limits_that_can_not_be_are_refused_and_change_nothing(void **state)
{
	(void)state;
	const weir_node_limit made[] = {{.counted = {2}, .bandwidth_bytes_s = 400},
					{.counted = {2}, .bandwidth_bytes_s = 400}};
	const weir_node_limit wide[] = {{.cores = 600, .counted = {2}}}, seats[] = {{.counted = {2, 1}}};
	const weir_node_limit many[] = {{.counted = {9000}}, {.counted = {2}}}, fast[] = {{.bandwidth_bytes_s = 2000}};
	const weir_node_limit none[] = {{.counted = {2, 0, 7}}};
	weir_tracker *tracker =
		make(WEIR_LIMITS(.node = made, .nodes = 2, .counted = {0, 5}, .counted_name = {"gpu", "seat"}));
	const struct {
		const weir_limits *limits;
		const char *say[2];
	} cases[] = {
		{WEIR_LIMITS(.node = wide, .nodes = 1), {"cores is 600", "511"}},
		{WEIR_LIMITS(.node = many, .nodes = 2), {"gpu is 9000", "at most 8190"}},
		{WEIR_LIMITS(.node = fast, .nodes = 1), {"bandwidth is 2000", "at most 1022"}},
		{WEIR_LIMITS(.node = made, .nodes = 2, .counted = {0, 8191}), {"seat is 8191", "at most 8190"}},
		{WEIR_LIMITS(.node = seats, .nodes = 1), {"seat is given for nodes", "a stock"}},
		{WEIR_LIMITS(.counted = {3}), {"gpu is given for the whole", "nodes had it"}},
		{WEIR_LIMITS(.node = none, .nodes = 1, .counted_name = {NULL, NULL, "tape"}),
		 {"\"tape\"", "from the start"}},
		{WEIR_LIMITS(.cores = -1), {"limits.cores is -1", "0 (all)"}},
		{WEIR_LIMITS(.counted_name = {"cpu"}), {"\"cpu\"", "\"gpu\""}},
		{&(weir_limits){.size = 3}, {"limits.size is 3", "WEIR_LIMITS()"}},
	};
	uint64_t before[8];
	for (uint32_t w = 0; w < tracker->ledger.words; w++)
		before[w] = ledger_word_limit(&tracker->ledger, w);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(weir_tracker_set_limits(tracker, cases[i].limits), WEIR_EINVAL);
		for (int k = 0; k < 2; k++)
			if (!strstr(weir_error_text(), cases[i].say[k]))
				fail_msg("case %zu: %s", i, weir_error_text());
		for (uint32_t w = 0; w < tracker->ledger.words; w++)
			assert_int_equal(ledger_word_limit(&tracker->ledger, w), before[w]);
	}
	assert_int_equal(weir_tracker_set_limits(NULL, NULL), WEIR_EINVAL);
	/* Names need not be said again. */
	set(tracker, WEIR_LIMITS(.node = (weir_node_limit[]){{.counted = {1}}}, .nodes = 1, .counted = {0, 2}));
	weir_grant grant;
	assert_int_equal(weir_tracker_take(tracker, WEIR_DEMAND(.counted = {1, 3}), &grant, NULL), WEIR_EINFEASIBLE);
	assert_int_equal(weir_tracker_take(tracker, WEIR_DEMAND(.counted = {1, 2}), &grant, NULL), WEIR_OK);
	assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* Who waits starts when a limit is raised, without any give; a debt is obeyed by the claimant too. Fails if the room is not
 * looked at, or if a claim digs into what is owed. */
static void who_waits_starts_when_a_limit_is_raised_and_not_into_a_debt(void **state)
{
	(void)state;
	const weir_node_limit two[] = {{.cores = 2}}, six[] = {{.cores = 6}};
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 2)), b = admit(&house, WEIR_DEMAND(.cores = 2));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 2), NULL);
	now_ns += 1;
	set(house.tracker, WEIR_LIMITS(.node = two, .nodes = 1));
	release(&house, a);
	/* Two cores are back, and owed. */
	assert_int_equal(told_count, 0);
	assert_int_equal(counts_of(&house).claims, 1);
	set(house.tracker, WEIR_LIMITS(.node = six, .nodes = 1));
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	release(&house, b);
	pull_down(&house, 3);
}

/* Who waits for more than there now is at all is told so, and the claim that was kept for it is open. Fails if it waits for
 * ever, or if what it claimed stays kept. */
static void who_waits_for_what_is_no_more_is_refused(void **state)
{
	(void)state;
	const weir_node_limit two[] = {{.cores = 2}};
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	now_ns += 1;
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	assert_int_equal(counts_of(&house).claims, 1);
	(void)queue(&house, WEIR_DEMAND(.cores = 1), &told);
	assert_int_equal(told_count, 0);
	set(house.tracker, WEIR_LIMITS(.node = two, .nodes = 1));
	assert_int_equal(told_count, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(told[i].grant.handle != 0, told[i].context == &told);
	release(&house, a);
	release(&house, told[told[1].context == &told].grant);
	pull_down(&house, 3);
}

/* A floor is nothing on a place where nobody holds anything, even if its limit was lowered meanwhile. */
static void a_free_place_is_known_by_its_limit_of_now(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	assert_int_equal(ledger_init(&ledger, invent(&invented, 1, 4, 64 * MIB), NULL), WEIR_OK);
	bool waiters = false;
	assert_int_equal(ledger_set_limits(&ledger, WEIR_LIMITS(.cores = 2), &waiters), WEIR_OK);
	struct packed two, floor;
	assert_int_equal(limits_pack(&ledger.limits, WEIR_DEMAND(.cores = 2), &two), WEIR_OK);
	assert_int_equal(limits_pack(&ledger.limits, WEIR_DEMAND(.cores = 1), &floor), WEIR_OK);
	struct taken taken;
	struct shortage why;
	assert_int_equal(ledger_take(&ledger, &two, &floor, 0, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	(void)ledger_give(&ledger, &taken);
	ledger_fini(&ledger);
}

/* A collector that has taken what may pay, and not lowered the debt yet, makes the word look shorter than it is: that is
 * CONTENDED, not SHORT and not CLAIMED. Fails if TENT is not held meanwhile. */
static void a_debt_that_is_being_paid_is_no_shortage(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	assert_int_equal(ledger_init(&ledger, invent(&invented, 1, 4, 64 * MIB), NULL), WEIR_OK);
	struct ledger_word *word = ledger_node_word(&ledger, 0);
	uint64_t core = word_put(WEIR_CPU, 64);
	/* Two owed of six, of which five are spare; half way through paying. */
	at_store(&word->debt, 2 * core, relaxed, none);
	at_add(&word->spare, core, relaxed, none);
	at_or(&word->spare, WORD_CLAIM, relaxed, none);
	at_sub(&word->spare, 2 * core - WORD_TENT_ONE, relaxed, none);
	struct packed three;
	assert_int_equal(limits_pack(&ledger.limits, WEIR_DEMAND(.cores = 3), &three), WEIR_OK);
	struct taken taken;
	struct shortage why;
	bool waiters = false;
	assert_int_equal(ledger_take(&ledger, &three, NULL, 0, 0, &taken, &why, &waiters), LEDGER_CONTENDED);
	at_store(&word->claim, core, relaxed, none);
	at_store(&word->debt, 0, relaxed, none);
	assert_int_equal(ledger_take(&ledger, &three, NULL, 0, 0, &taken, &why, &waiters), LEDGER_CONTENDED);
	ledger_fini(&ledger);
}

static weir_status hold(weir_task *task, void *context)
{
	(void)context;
	return weir_task_grant(task).handle ? WEIR_OK : WEIR_EINVAL;
}

/* A pool's limits are its tracker's; a plain pool has none. */
static void a_pools_limits_can_be_set_while_it_runs(void **state)
{
	(void)state;
	weir_pool *pool;
	weir_group *group;
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = two_nodes, .workers = 2,
							      .resource_aware = true, .no_pinning = true)),
			 WEIR_OK);
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	for (int i = 0; i < 400; i++) {
		assert_int_equal(weir_submit(group, hold, NULL, WEIR_DEMAND(.cores = 1)), WEIR_OK);
		if (i % 20 == 0)
			assert_int_equal(weir_pool_set_limits(pool, WEIR_LIMITS(.cores = 2 + i / 20 % 7)), WEIR_OK);
	}
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_tracker_audit(weir_pool_tracker(pool)), WEIR_OK);
	assert_true(held_cores(weir_pool_tracker(pool)) == 0);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.machine = two_nodes, .workers = 2, .no_pinning = true)),
			 WEIR_OK);
	assert_int_equal(weir_pool_set_limits(pool, NULL), WEIR_EINVAL);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held_above_a_lowered_limit_is_paid_by_what_comes_back),
		cmocka_unit_test(a_limit_that_is_raised_again_pays_the_debt_first),
		cmocka_unit_test(a_total_that_did_not_bind_is_dealt_out_to_the_nodes),
		cmocka_unit_test(limits_that_can_not_be_are_refused_and_change_nothing),
		cmocka_unit_test(who_waits_starts_when_a_limit_is_raised_and_not_into_a_debt),
		cmocka_unit_test(who_waits_for_what_is_no_more_is_refused),
		cmocka_unit_test(a_free_place_is_known_by_its_limit_of_now),
		cmocka_unit_test(a_debt_that_is_being_paid_is_no_shortage),
		cmocka_unit_test(a_pools_limits_can_be_set_while_it_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
