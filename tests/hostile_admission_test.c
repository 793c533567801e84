/* SPDX-License-Identifier: MIT */
/* hostile_admission_test.c - an admission controller in wrong hands: old tickets, a full room, strategies that permit
 * nothing, destruction while demands wait, deferral that grows. It would fail by a ticket that is decided twice or
 * never. */
#include "hostile.h"

struct fixture_admission {
	weir_tracker *tracker;
	weir_admission *admission;
};

static struct fixture_admission make(const weir_admission_options *options)
{
	struct fixture_admission f;
	assert_ok(weir_tracker_create(&f.tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:2 core:2 pu:1")));
	assert_ok(weir_admission_create(&f.admission, f.tracker, options));
	return f;
}

static void end(struct fixture_admission f)
{
	assert_ok(weir_tracker_audit(f.tracker));
	assert_ok(weir_admission_destroy(f.admission));
	assert_ok(weir_tracker_destroy(f.tracker));
}

struct decided {
	int grants;
	int cancels;
	weir_grant grant;
};

static void on_decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)cause;
	struct decided *decided = context;
	(void)ticket;
	(void)node;
	decided->grant = grant;
	if (grant.handle)
		decided->grants++;
	else
		decided->cancels++;
}

static weir_decision ask(struct fixture_admission f, const weir_demand *demand, struct decided *decided)
{
	return weir_admission_admit(f.admission, demand, decided ? on_decided : NULL, decided);
}

static weir_admission_counts counts_now(struct fixture_admission f)
{
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(f.admission, &counts));
	return counts;
}

/* Take both nodes' cores. */
static void fill(struct fixture_admission f, weir_grant grant[2])
{
	for (int i = 0; i < 2; i++) {
		weir_decision decision = ask(f, WEIR_DEMAND(.cores = 2), NULL);
		assert_int_equal(decision.verdict, WEIR_ADMITTED);
		grant[i] = decision.grant;
	}
}

static void an_old_ticket_cancels_nothing(void **state)
{
	(void)state;
	struct fixture_admission f = make(NULL);
	weir_grant grant[2];
	fill(f, grant);
	uint64_t old = 0;
	for (int i = 0; i < 100; i++) {
		struct decided decided = {0};
		weir_decision decision = ask(f, WEIR_DEMAND(.cores = 1), &decided);
		assert_int_equal(decision.verdict, WEIR_QUEUED);
		assert_int_not_equal(decision.ticket, old);
		if (old)
			assert_error(weir_admission_cancel(f.admission, old), WEIR_ESTALE, "does not wait");
		assert_int_equal(decided.cancels + decided.grants, 0);
		assert_ok(weir_admission_cancel(f.admission, decision.ticket));
		assert_error(weir_admission_cancel(f.admission, decision.ticket), WEIR_ESTALE,
			     "granted, cancelled or given up before");
		assert_int_equal(decided.cancels, 1);
		old = decision.ticket;
	}
	assert_error(weir_admission_cancel(f.admission, UINT64_MAX), WEIR_ESTALE, "0xffffffffffffffff");
	assert_error(weir_admission_cancel(f.admission, 0), WEIR_ESTALE, "ticket 0");
	assert_ok(weir_admission_release(f.admission, grant[0]));
	assert_error(weir_admission_release(f.admission, grant[0]), WEIR_ESTALE, "given back before");
	assert_ok(weir_admission_release(f.admission, grant[1]));
	end(f);
}

static void it_is_not_destroyed_while_demands_wait(void **state)
{
	(void)state;
	struct fixture_admission f = make(NULL);
	weir_grant grant[2];
	struct decided decided = {0};
	weir_admission *second;
	fill(f, grant);
	assert_int_equal(ask(f, WEIR_DEMAND(.cores = 2), &decided).verdict, WEIR_QUEUED);
	assert_error(weir_admission_destroy(f.admission), WEIR_EBUSY, "1 demands wait");
	assert_error(weir_tracker_destroy(f.tracker), WEIR_EBUSY, "destroy that first");
	assert_error(weir_admission_create(&second, f.tracker, NULL), WEIR_EBUSY,
		     "has an admission controller already");
	assert_null(second);
	/* A release by the tracker's face lets in as well. */
	assert_ok(weir_tracker_give(f.tracker, grant[0]));
	assert_int_equal(decided.grants, 1);
	assert_ok(weir_tracker_give(f.tracker, decided.grant));
	assert_ok(weir_tracker_give(f.tracker, grant[1]));
	end(f);
}

static void a_full_room_rejects_and_keeps_what_waits(void **state)
{
	(void)state;
	struct fixture_admission f = make(WEIR_ADMISSION_OPTIONS(.waiting_max = 10));
	weir_grant grant[2];
	struct decided decided[10] = {0}, late = {0};
	fill(f, grant);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(f, WEIR_DEMAND(.cores = 2), &decided[i]).verdict, WEIR_QUEUED);
	weir_decision decision = ask(f, WEIR_DEMAND(.cores = 2), &late);
	assert_int_equal(decision.verdict, WEIR_REJECTED);
	assert_int_equal(decision.cause, WEIR_CAUSE_QUEUE_FULL);
	char text[256];
	(void)weir_decision_text(&decision, text, sizeof(text));
	assert_true(has_word(text, "full"));
	assert_ok(weir_admission_release(f.admission, grant[0]));
	assert_ok(weir_admission_release(f.admission, grant[1]));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(decided[i].grants, 1);
		assert_ok(weir_admission_release(f.admission, decided[i].grant));
	}
	assert_int_equal(late.grants + late.cancels, 0);
	end(f);
}

/* No time passes, so no rate of releases is known: back-off alone. */
static uint64_t stands_still(void *context)
{
	(void)context;
	return 1;
}

static void retry_after_grows_to_its_cap_and_is_jittered(void **state)
{
	(void)state;
	struct fixture_admission f = make(WEIR_ADMISSION_OPTIONS(.clock = {.now_ns = stands_still}));
	weir_grant grant[2];
	fill(f, grant);
	uint64_t base = 10 * WEIR_NS_PER_US, cap = 10 * WEIR_NS_PER_MS, before = 0;
	bool differs = false;
	for (int i = 0; i < 30; i++) {
		weir_decision decision = ask(f, WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER), NULL);
		assert_int_equal(decision.verdict, WEIR_DEFERRED);
		assert_int_equal(decision.cause, WEIR_CAUSE_SHORT);
		assert_int_equal(decision.short_resources, 1u << WEIR_CPU);
		uint64_t full = i < 10 ? base << i : cap;
		full = full < cap ? full : cap;
		assert_true(decision.retry_after_ns >= full / 2 && decision.retry_after_ns <= full);
		differs |= before && i > 12 && decision.retry_after_ns != before;
		before = decision.retry_after_ns;
	}
	assert_true(differs);
	assert_ok(weir_admission_release(f.admission, grant[0]));
	/* Success begins anew. */
	weir_decision decision = ask(f, WEIR_DEMAND(.cores = 2), NULL);
	assert_true(decision.allowed);
	grant[0] = decision.grant;
	assert_true(ask(f, WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER), NULL).retry_after_ns <= base);
	assert_int_equal(ask(f, WEIR_DEMAND(.cores = 3), NULL).retry_after_ns, UINT64_MAX);
	assert_ok(weir_admission_release(f.admission, grant[0]));
	assert_ok(weir_admission_release(f.admission, grant[1]));
	end(f);
}

/* Nothing for who asks for memory; the rest as first fit has it. */
static int64_t no_memory(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)snapshot;
	(void)context;
	return demand->memory_bytes ? WEIR_SCORE_NEVER : -(int64_t)node;
}

static const weir_strategy memory_vetoed = {.score = no_memory, .name = "no memory"};

static void what_a_strategy_vetoes_waits_and_keeps_nothing_from_others(void **state)
{
	(void)state;
	struct fixture_admission f =
		make(WEIR_ADMISSION_OPTIONS(.strategy = &memory_vetoed, .overtakes_max = 1, .overtaken_ns_max = 1));
	struct decided vetoed[20] = {0};
	for (int i = 0; i < 20; i++)
		assert_int_equal(
			ask(f, WEIR_DEMAND(.cores = 2, .memory_bytes = 1, .task_class = WEIR_CRITICAL), &vetoed[i])
				.verdict,
			WEIR_QUEUED);
	/* However long it has waited, room is not kept where it may not go. */
	for (int i = 0; i < 200; i++) {
		weir_grant grant[2];
		fill(f, grant);
		assert_ok(weir_admission_release(f.admission, grant[0]));
		assert_ok(weir_admission_release(f.admission, grant[1]));
	}
	assert_int_equal(counts_now(f).waiting, 20);
	assert_ok(weir_admission_set_strategy(f.admission, WEIR_FIRST_FIT));
	for (int i = 0; i < 20; i++) {
		assert_int_equal(vetoed[i].grants, 1);
		assert_ok(weir_admission_release(f.admission, vetoed[i].grant));
	}
	end(f);
}

static void a_claim_goes_when_the_strategy_vetoes_its_holder(void **state)
{
	(void)state;
	struct fixture_admission f = make(WEIR_ADMISSION_OPTIONS(.overtakes_max = 1, .overtaken_ns_max = 1));
	weir_grant grant[2];
	struct decided claimant = {0};
	fill(f, grant);
	assert_int_equal(ask(f, WEIR_DEMAND(.cores = 2, .memory_bytes = 1), &claimant).verdict, WEIR_QUEUED);
	/* Another kick, later: now it has waited too long. */
	assert_ok(weir_admission_set_rule(f.admission, WEIR_ADMIT_HARD));
	assert_true(counts_now(f).claims >= 1);
	assert_ok(weir_admission_set_strategy(f.admission, &memory_vetoed));
	for (int i = 0; i < 2; i++)
		assert_ok(weir_admission_release(f.admission, grant[i]));
	assert_int_equal(claimant.grants, 0);
	fill(f, grant);
	for (int i = 0; i < 2; i++)
		assert_ok(weir_admission_release(f.admission, grant[i]));
	assert_ok(weir_admission_set_strategy(f.admission, WEIR_WORST_FIT));
	assert_int_equal(claimant.grants, 1);
	assert_ok(weir_admission_release(f.admission, claimant.grant));
	end(f);
}

static void null_and_odd_arguments_are_refused(void **state)
{
	(void)state;
	struct fixture_admission f = make(NULL);
	weir_admission *none = (weir_admission *)&f;
	weir_admission_counts counts = {0};
	static const weir_strategy no_score = {.name = "none"};
	weir_tracker *free_tracker;
	assert_ok(weir_tracker_create(&free_tracker, NULL));
	assert_error(weir_admission_create(NULL, free_tracker, NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_admission_create(&none, NULL, NULL), WEIR_EINVAL, "tracker is NULL");
	assert_error(weir_admission_create(&none, free_tracker, &(weir_admission_options){.size = 3}), WEIR_EINVAL,
		     "options.size is 3");
	assert_error(weir_admission_create(&none, free_tracker, WEIR_ADMISSION_OPTIONS(.rule = 16)),
		     WEIR_EINVAL, "options.rule is 16");
	assert_error(weir_admission_create(&none, free_tracker, WEIR_ADMISSION_OPTIONS(.strategy = &no_score)),
		     WEIR_EINVAL, "options.strategy");
	assert_null(none);
	assert_ok(weir_tracker_destroy(free_tracker));
	assert_error(weir_admission_set_strategy(f.admission, NULL), WEIR_EINVAL, "strategy is NULL");
	assert_error(weir_admission_set_strategy(f.admission, &no_score), WEIR_EINVAL, "score");
	assert_error(weir_admission_set_rule(f.admission, UINT32_MAX), WEIR_EINVAL, "rule is 4294967295");
	assert_error(weir_admission_set_rule(NULL, WEIR_ADMIT_HARD), WEIR_EINVAL, "admission is NULL");
	assert_error(weir_admission_release(NULL, (weir_grant){1}), WEIR_EINVAL, "admission is NULL");
	assert_error(weir_admission_cancel(NULL, 1), WEIR_EINVAL, "admission is NULL");
	assert_error(weir_admission_counts_get(f.admission, &counts), WEIR_EINVAL, "out->size is ");
	weir_decision decision = weir_admission_admit(NULL, WEIR_DEMAND(.cores = 1), NULL, NULL);
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	decision = ask(f, NULL, NULL);
	assert_int_equal(decision.verdict, WEIR_REJECTED);
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	assert_true(has_word(weir_error_text(), "demand is NULL"));
	decision = ask(f, WEIR_DEMAND(.cores = -1), NULL);
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	assert_true(has_word(weir_error_text(), "demand.cores is -1"));
	assert_int_equal(decision.retry_after_ns, UINT64_MAX);
	/* With no function to call there is nobody to wait for. */
	weir_grant grant[2];
	fill(f, grant);
	assert_int_equal(ask(f, WEIR_DEMAND(.cores = 1), NULL).verdict, WEIR_DEFERRED);
	for (int i = 0; i < 2; i++)
		assert_ok(weir_admission_release(f.admission, grant[i]));
	assert_ok(weir_admission_destroy(NULL));
	assert_null(weir_admission_tracker(NULL));
	end(f);
}

static void a_placement_is_finished_once(void **state)
{
	(void)state;
	struct fixture_admission f = make(NULL);
	weir_scheduler *scheduler;
	weir_selection selection;
	weir_node_score scores[1];
	assert_ok(weir_scheduler_create(&scheduler, f.admission, NULL));
	weir_placement placement = weir_scheduler_schedule(scheduler, WEIR_DEMAND(.cores = 1), NULL, NULL);
	assert_true(placement.decision.allowed);
	assert_ok(weir_scheduler_finish(scheduler, &placement));
	assert_error(weir_scheduler_finish(scheduler, &placement), WEIR_ESTALE, "given back before");
	placement.decision.node = 77;
	assert_error(weir_scheduler_finish(scheduler, &placement), WEIR_EINVAL, "node is 77");
	assert_error(weir_scheduler_finish(scheduler, NULL), WEIR_EINVAL, "NULL");
	placement = weir_scheduler_schedule(NULL, WEIR_DEMAND(.cores = 1), NULL, NULL);
	assert_int_equal(placement.decision.verdict, WEIR_REJECTED);
	assert_error(weir_scheduler_select(scheduler, WEIR_DEMAND(.cores = 9), &selection, NULL, 0), WEIR_EINFEASIBLE,
		     "never fit");
	assert_error(weir_scheduler_select(scheduler, WEIR_DEMAND(.cores = 1), &selection, scores, 1), WEIR_EINVAL,
		     "nodes is 1");
	assert_error(weir_scheduler_select(scheduler, WEIR_DEMAND(.cores = 0), &selection, NULL, 0), WEIR_EINVAL,
		     "nothing");
	assert_ok(weir_scheduler_destroy(scheduler));
	assert_error(weir_scheduler_create(&scheduler, NULL, NULL), WEIR_EINVAL, "admission is NULL");
	assert_null(scheduler);
	end(f);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_old_ticket_cancels_nothing),
		cmocka_unit_test(it_is_not_destroyed_while_demands_wait),
		cmocka_unit_test(a_full_room_rejects_and_keeps_what_waits),
		cmocka_unit_test(retry_after_grows_to_its_cap_and_is_jittered),
		cmocka_unit_test(what_a_strategy_vetoes_waits_and_keeps_nothing_from_others),
		cmocka_unit_test(a_claim_goes_when_the_strategy_vetoes_its_holder),
		cmocka_unit_test(null_and_odd_arguments_are_refused),
		cmocka_unit_test(a_placement_is_finished_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
