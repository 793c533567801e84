/* SPDX-License-Identifier: MIT */
/* admission_test.c - verdicts and causes, the order of grants, cancelling and counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "house.h"

static const char one_node[] = "numa:1 core:20 pu:1";

/* Each cause but CONTENDED and CLAIMED, one by one, with what the decision says of it. */
static void every_refusal_has_its_cause_and_its_words(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = WEIR_LIMITS(.memory_bytes = 64 * MIB)),
	      (weir_admission_options){.waiting_max = 1});
	weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 4.5));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_INFEASIBLE,
		       "more CPU than the limits of any permitted node, 4.5 cores where 4 cores are the most");
	assert_int_equal(decision.excess, WEIR_CPU);
	assert_true(decision.asked == 4.5 && decision.limit == 4);
	assert_int_equal(decision.retry_after_ns, UINT64_MAX);
	assert_int_equal(decision.short_resources, BIT(WEIR_CPU));
	decision = ask(&house, WEIR_DEMAND(.memory_bytes = 64 * MIB + 1));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_INFEASIBLE,
		       "more memory than the limits in all, 67108865 bytes where 67108864 bytes are the most");
	assert_true(decision.short_total);

	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(0)));
	weir_grant b = admit(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(1)));
	decision = ask(&house, WEIR_DEMAND(.cores = 3));
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_FRAGMENTED, "together have the room");
	decision = ask(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(1), .home_only = true));
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_SHORT, "CPU is short on node 1;");
	assert_int_equal(decision.short_nodes, 2);
	weir_grant c = admit(&house, WEIR_DEMAND(.cores = 2, .memory_bytes = 60 * MIB));
	weir_grant d = admit(&house, WEIR_DEMAND(.cores = 2));
	decision = ask(&house, WEIR_DEMAND(.cores = 1));
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_SHORT, "CPU is short on node 0, 1");
	assert_int_equal(decision.short_nodes, 3);
	assert_int_equal(decision.short_resources, BIT(WEIR_CPU));
	decision = ask(&house, WEIR_DEMAND(.memory_bytes = 5 * MIB));
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_SHORT, "memory is short in all");
	assert_true(decision.short_total);

	told_count = 0;
	weir_decision first = queue(&house, WEIR_DEMAND(.cores = 1), NULL);
	assert_says(&first, "queued: CPU is short");
	decision = weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 1), tell, NULL);
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_QUEUE_FULL, "waiting room");
	assert_in_range(decision.retry_after_ns, 1, 10 * WEIR_NS_PER_MS);
	/* Who does not want to wait does not, although it might call a function. */
	decision = weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER), tell, NULL);
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_SHORT, "try again after");

	assert_refused(ask(&house, WEIR_DEMAND(.cores = 0)), WEIR_REJECTED, WEIR_CAUSE_INVALID, "invalid");
	assert_non_null(strstr(weir_error_text(), "asks for nothing"));
	assert_refused(ask(&house, NULL), WEIR_REJECTED, WEIR_CAUSE_INVALID, "invalid");
	assert_refused(weir_admission_admit(NULL, WEIR_DEMAND(.cores = 1), NULL, NULL), WEIR_REJECTED,
		       WEIR_CAUSE_INVALID, "invalid");
	release(&house, a);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	release(&house, b);
	release(&house, c);
	release(&house, d);
	admission_close(house.admission);
	decision = ask(&house, WEIR_DEMAND(.cores = 1));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_SHUTDOWN, "shut down");
	assert_int_equal(decision.retry_after_ns, UINT64_MAX);
	pull_down(&house, 16);
}

/* A book that is full is no shortage of room: it says so, and nothing is held. */
static void a_full_book_refuses_as_a_full_queue(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .grants_max = 1), (weir_admission_options){0});
	weir_grant only = admit(&house, WEIR_DEMAND(.cores = 1));
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1)), WEIR_DEFERRED, WEIR_CAUSE_QUEUE_FULL, "table of grants");
	release(&house, only);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 1)));
	pull_down(&house, 3);
}

/* A total that is short only because others are in the middle of taking: at once again, and nobody is called short. */
static void a_take_in_flight_is_contended_and_may_be_tried_at_once(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = WEIR_LIMITS(.cores = 6)),
	      (weir_admission_options){0});
	_Atomic(uint64_t) *total = &house.tracker->ledger.word[LEDGER_TOTAL].spare;
	uint64_t all_but_one = word_put(WEIR_CPU, 5 * 64) - WORD_TENT_ONE;
	at_sub(total, all_but_one, relaxed, none);
	weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 2));
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_CONTENDED, "others are taking");
	assert_int_equal(decision.retry_after_ns, 0);
	assert_int_equal(decision.short_resources, 0);
	at_add(total, all_but_one, relaxed, none);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 2)));
	pull_down(&house, 2);
}

/* U(1/2, 1] x min(10 ms, 10 us x 2^n); a grant starts it over. */
static void the_back_off_doubles_to_a_bound_and_starts_over(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){0});
	for (int round = 0; round < 2; round++) {
		weir_grant a = admit(&house, WEIR_DEMAND(.cores = 4));
		weir_grant b = admit(&house, WEIR_DEMAND(.cores = 4));
		uint64_t full = 10 * WEIR_NS_PER_US;
		for (int n = 0; n < 14; n++) {
			uint64_t after = ask(&house, WEIR_DEMAND(.cores = 1)).retry_after_ns;
			assert_in_range(after, full / 2, full);
			full = 2 * full < 10 * WEIR_NS_PER_MS ? 2 * full : 10 * WEIR_NS_PER_MS;
		}
		release(&house, a);
		release(&house, b);
	}
	pull_down(&house, 32);
}

/* Floors of the watermark rule, in whole cores for CPU, and never for who comes to an empty node. */
static void lower_classes_leave_their_floor_to_higher_ones(void **state)
{
	(void)state;
	static const struct {
		weir_class task_class;
		double cores; /* of 19 that are left of 20, the most it may take: floors 0, 0.5, 1 and 3 cores */
	} cases[] = {{WEIR_CRITICAL, 19}, {WEIR_HIGH, 19}, {WEIR_NORMAL, 18}, {WEIR_BEST_EFFORT, 16}};
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node),
	      (weir_admission_options){.rule = WEIR_ADMIT_WATERMARK});
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		release(&house, admit(&house, WEIR_DEMAND(.cores = 20, .task_class = cases[i].task_class)));
		weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
		weir_decision decision =
			ask(&house, WEIR_DEMAND(.cores = cases[i].cores + 0.25, .task_class = cases[i].task_class));
		if (cases[i].cores < 19)
			assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_CLASS_FLOOR,
				       "CPU that is left is kept for higher");
		else
			assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_SHORT, "CPU is short");
		release(&house, admit(&house, WEIR_DEMAND(.cores = cases[i].cores, .task_class = cases[i].task_class)));
		release(&house, one);
	}
	/* Under the hard rule there is none, and a switch looks at who waits. */
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 19, .task_class = WEIR_BEST_EFFORT), NULL);
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	release(&house, one);
	assert_int_equal(weir_admission_set_rule(house.admission, 16), WEIR_EINVAL);
	pull_down(&house, 18);
}

/* Class first, then priority, then age; a waiter that does not fit does not hold up one that does. */
static void grants_go_by_class_then_priority_then_age(void **state)
{
	(void)state;
	static const struct {
		weir_class task_class;
		int32_t priority;
		uint32_t rank;
	} waiters[] = {
		{WEIR_BEST_EFFORT, 9, 7}, {WEIR_NORMAL, 0, 5}, {WEIR_NORMAL, 3, 3},   {WEIR_CRITICAL, -5, 1},
		{WEIR_NORMAL, 0, 6},	  {WEIR_HIGH, 0, 2},   {WEIR_CRITICAL, 0, 0}, {WEIR_NORMAL, 1, 4},
	};
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:1 pu:1"), (weir_admission_options){0});
	weir_grant held = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	uint64_t ticket[ARRAY_LENGTH(waiters)];
	for (size_t i = 0; i < ARRAY_LENGTH(waiters); i++) {
		weir_decision decision = queue(
			&house,
			WEIR_DEMAND(.cores = 1, .task_class = waiters[i].task_class, .priority = waiters[i].priority),
			NULL);
		ticket[waiters[i].rank] = decision.ticket;
	}
	assert_int_equal(counts_of(&house).waiting_max_seen, ARRAY_LENGTH(waiters));
	for (size_t i = 0; i < ARRAY_LENGTH(waiters); i++) {
		release(&house, held);
		assert_int_equal(told_count, i + 1);
		assert_int_equal(told[i].ticket, ticket[i]);
		assert_int_equal(told[i].node, 0);
		held = told[i].grant;
	}
	release(&house, held);
	pull_down(&house, 1 + ARRAY_LENGTH(waiters));
}

/* C1, A1: a ticket is decided once. Fails if a cancelled one is granted, is told twice, or leaves its words waiting. */
static void a_ticket_is_cancelled_once_or_granted_once(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){0});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 4));
	weir_grant b = admit(&house, WEIR_DEMAND(.cores = 4));
	told_count = 0;
	uint64_t first = queue(&house, WEIR_DEMAND(.cores = 1), NULL).ticket;
	uint64_t second = queue(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(1), .home_only = true), NULL).ticket;
	uint64_t third = queue(&house, WEIR_DEMAND(.cores = 1), NULL).ticket;
	assert_int_equal(weir_admission_destroy(house.admission), WEIR_EBUSY);
	assert_non_null(strstr(weir_error_text(), "3 demands wait"));
	assert_int_equal(weir_admission_cancel(house.admission, first), WEIR_OK);
	assert_int_equal(weir_admission_cancel(house.admission, first), WEIR_ESTALE);
	assert_int_equal(told_count, 1);
	release(&house, a);
	assert_int_equal(told_count, 2);
	assert_int_equal(told[1].ticket, third);
	assert_int_equal(told[1].node, 0);
	assert_int_equal(weir_admission_cancel(house.admission, third), WEIR_ESTALE);
	assert_int_equal(weir_admission_cancel(house.admission, second), WEIR_OK);
	assert_int_equal(told_count, 3);
	/* A number that is in use again is another's. */
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	static const uint64_t never[] = {0, 1, UINT64_MAX, 12345};
	for (size_t i = 0; i < ARRAY_LENGTH(never); i++)
		assert_int_equal(weir_admission_cancel(house.admission, never[i]), WEIR_ESTALE);
	assert_int_equal(weir_admission_cancel(house.admission, first), WEIR_ESTALE);
	assert_int_equal(weir_admission_cancel(house.admission, second), WEIR_ESTALE);
	assert_int_equal(weir_admission_cancel(NULL, first), WEIR_EINVAL);
	release(&house, b);
	assert_int_equal(told_count, 4);
	release(&house, told[1].grant);
	release(&house, told[3].grant);
	assert_int_equal(weir_admission_release(house.admission, told[3].grant), WEIR_ESTALE);
	pull_down(&house, 6);
}

/* A2: WAIT is on the words that somebody in the room could use, and on no other. */
static void words_say_whether_somebody_waits_for_them(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = WEIR_LIMITS(.cores = 7)),
	      (weir_admission_options){0});
	const struct ledger *ledger = &house.tracker->ledger;
	_Atomic(uint64_t) *total = &ledger->word[LEDGER_TOTAL].spare;
	_Atomic(uint64_t) *node = &ledger_node_word(ledger, 0)->spare, *other = &ledger_node_word(ledger, 1)->spare;
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(0)));
	told_count = 0;
	uint64_t at_home = queue(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(0), .home_only = true), NULL).ticket;
	assert_true(at_load(node, relaxed, none) & WORD_WAIT && at_load(total, relaxed, none) & WORD_WAIT);
	assert_false(at_load(other, relaxed, none) & WORD_WAIT);
	uint64_t anywhere = queue(&house, WEIR_DEMAND(.cores = 4), NULL).ticket;
	assert_true(at_load(other, relaxed, none) & WORD_WAIT);
	assert_int_equal(weir_admission_cancel(house.admission, anywhere), WEIR_OK);
	assert_true(at_load(node, relaxed, none) & WORD_WAIT);
	assert_false(at_load(other, relaxed, none) & WORD_WAIT);
	assert_int_equal(weir_admission_cancel(house.admission, at_home), WEIR_OK);
	assert_false((at_load(node, relaxed, none) | at_load(total, relaxed, none)) & WORD_WAIT);
	release(&house, a);
	pull_down(&house, 3);
}

enum { MANY = 100000 };

struct chain {
	struct house house;
	uint32_t granted;
	uint32_t depth, deepest;
};

static void release_at_once(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)cause;
	(void)ticket;
	(void)node;
	struct chain *chain = context;
	chain->granted++;
	if (++chain->depth > chain->deepest)
		chain->deepest = chain->depth;
	(void)weir_admission_release(chain->house.admission, grant);
	chain->depth--;
}

/* 100,000 that wait for one core and give it back in the function that tells them of it: a loop, no recursion. */
static void a_chain_of_releases_does_not_eat_the_stack(void **state)
{
	(void)state;
	static struct chain chain;
	memset(&chain, 0, sizeof(chain));
	build(&chain.house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:1 pu:1"), (weir_admission_options){0});
	weir_grant held = admit(&chain.house, WEIR_DEMAND(.cores = 1));
	for (int i = 0; i < MANY; i++)
		(void)weir_admission_admit(chain.house.admission, WEIR_DEMAND(.cores = 1), release_at_once, &chain);
	release(&chain.house, held);
	assert_int_equal(chain.granted, MANY);
	assert_int_equal(chain.deepest, 1);
	pull_down(&chain.house, MANY + 1);
}

static int64_t never_node_0(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)snapshot;
	(void)context;
	return node == 0 ? WEIR_SCORE_NEVER : 0;
}

/* A strategy that forbids a node keeps demands waiting for it out; a switch lets them in, and is counted. */
static void a_switch_of_the_strategy_looks_at_who_waits(void **state)
{
	(void)state;
	static const weir_strategy forbids = {.score = never_node_0, .name = "not there"};
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){.strategy = &forbids});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 4));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	assert_int_equal(weir_admission_set_strategy(house.admission, NULL), WEIR_EINVAL);
	assert_int_equal(counts_of(&house).strategy_epoch, 0);
	assert_int_equal(weir_admission_set_strategy(house.admission, WEIR_BEST_FIT), WEIR_OK);
	assert_int_equal(counts_of(&house).strategy_epoch, 1);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].node, 0);
	release(&house, told[0].grant);
	release(&house, a);
	pull_down(&house, 2);
}

static void wrong_options_are_named(void **state)
{
	(void)state;
	static const weir_strategy no_score = {.name = "none"};
	static const struct {
		weir_admission_options options;
		const char *says;
	} cases[] = {
		{{.size = 1}, "options.size is 1"},
		{{.size = sizeof(weir_admission_options), .rule = 17}, "options.rule is 17"},
		{{.size = sizeof(weir_admission_options), .strategy = &no_score}, "options.strategy has no score"}};
	weir_tracker *tracker;
	assert_int_equal(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = two_nodes)), WEIR_OK);
	weir_admission *admission = (void *)&tracker; /* not NULL */
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(weir_admission_create(&admission, tracker, &cases[i].options), WEIR_EINVAL);
		assert_null(admission);
		assert_non_null(strstr(weir_error_text(), cases[i].says));
	}
	assert_int_equal(weir_admission_create(&admission, NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_admission_create(NULL, tracker, NULL), WEIR_EINVAL);
	assert_int_equal(weir_admission_create(&admission, tracker, NULL), WEIR_OK);
	weir_admission *second;
	assert_int_equal(weir_admission_create(&second, tracker, NULL), WEIR_EBUSY);
	assert_ptr_equal(weir_admission_tracker(admission), tracker);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_EBUSY);
	assert_int_equal(weir_admission_destroy(admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(NULL), WEIR_OK);
}

/* Texts end where the buffer does, and say how long they would be. */
static void a_decision_in_words_fits_any_buffer(void **state)
{
	(void)state;
	weir_decision decision = {.verdict = WEIR_ADMITTED, .allowed = true, .node = 3};
	assert_says(&decision, "admitted on node 3");
	decision = (weir_decision){.verdict = WEIR_DEFERRED,
				   .cause = WEIR_CAUSE_SHORT,
				   .short_resources = BIT(WEIR_CPU) | BIT(WEIR_MEMORY),
				   .short_nodes = 5,
				   .retry_after_ns = 12};
	char text[128];
	size_t length = weir_decision_text(&decision, text, sizeof(text));
	assert_string_equal(text, "deferred: CPU and memory is short on node 0, 2; try again after 12 ns");
	for (size_t size = 0; size <= length; size++) {
		char small[128];
		memset(small, 'x', sizeof(small));
		assert_int_equal(weir_decision_text(&decision, small, size), length);
		assert_int_equal(small[size], 'x');
		if (size) {
			assert_int_equal(strlen(small), size - 1);
			assert_memory_equal(small, text, size - 1);
		}
	}
	assert_int_equal(weir_decision_text(NULL, text, sizeof(text)), 0);
	assert_int_equal(weir_decision_text(&decision, NULL, sizeof(text)), length);
	assert_string_equal(weir_cause_name((weir_cause)WEIR_CAUSES), "?");
	assert_string_equal(weir_verdict_name((weir_verdict)-1), "?");
}

/* However many shapes wait that do not fit: one behind them all that does starts with the release that makes room for it, not
 * with one that may never come. Fails if a scan gives up after some. */
static void one_that_fits_behind_many_that_do_not_starts(void **state)
{
	(void)state;
	enum { SHAPES = 300 };
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:2 core:20 pu:1"), (weir_admission_options){0});
	weir_grant held[4];
	for (int i = 0; i < 4; i++)
		held[i] = admit(&house, WEIR_DEMAND(.cores = 10));
	told_count = 0;
	for (uint64_t i = 0; i < SHAPES; i++)
		(void)queue(&house, WEIR_DEMAND(.cores = 10.5, .memory_bytes = i * MIB), NULL);
	(void)queue(&house, WEIR_DEMAND(.cores = 10, .memory_bytes = 1, .task_class = WEIR_BEST_EFFORT), &told);
	(void)queue(&house,
		    WEIR_DEMAND(.cores = 0.5, .task_class = WEIR_BEST_EFFORT, .home = WEIR_NODE(0), .home_only = true),
		    NULL);
	release(&house, held[3]);
	assert_int_equal(told_count, 1);
	assert_ptr_equal(told[0].context, &told);
	assert_int_equal(told[0].node, 1);
	for (int i = 0; i < 3; i++)
		release(&house, held[i]);
	for (uint32_t i = 0; i < told_count; i++)
		release(&house, told[i].grant);
	assert_int_equal(told_count, SHAPES + 2);
	pull_down(&house, SHAPES + 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal_has_its_cause_and_its_words),
		cmocka_unit_test(a_full_book_refuses_as_a_full_queue),
		cmocka_unit_test(a_take_in_flight_is_contended_and_may_be_tried_at_once),
		cmocka_unit_test(the_back_off_doubles_to_a_bound_and_starts_over),
		cmocka_unit_test(lower_classes_leave_their_floor_to_higher_ones),
		cmocka_unit_test(grants_go_by_class_then_priority_then_age),
		cmocka_unit_test(a_ticket_is_cancelled_once_or_granted_once),
		cmocka_unit_test(one_that_fits_behind_many_that_do_not_starts),
		cmocka_unit_test(words_say_whether_somebody_waits_for_them),
		cmocka_unit_test(a_chain_of_releases_does_not_eat_the_stack),
		cmocka_unit_test(a_switch_of_the_strategy_looks_at_who_waits),
		cmocka_unit_test(wrong_options_are_named),
		cmocka_unit_test(a_decision_in_words_fits_any_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
