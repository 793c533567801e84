/* SPDX-License-Identifier: MIT */
/* gate_test.c - Z6, Z7: what stands before the ledger, with the real ledger and room behind it, on a logical clock: each
 * level's effect on each class, breakers end to end, the deadline, adaptive and observe rules, the application's policy;
 * and what a switch does to those who wait. It would fail by a demand that is refused, or waits, for a reason that is
 * gone. */
#include "house.h"
#include "private/membarrier.h"

static const char one_node[] = "numa:1 core:20 pu:1";

#define MS WEIR_NS_PER_MS

/* Pressure in per cent of what is BLACK. */
static void feed(struct house *house, double percent)
{
	weir_reading reading = {.size = sizeof(reading), .known = WEIR_KNOWN_MEMORY_PRESSURE};
	reading.pressure[WEIR_STALL_MEMORY].full = percent / 10;
	assert_int_equal(weir_admission_feed(house->admission, &reading), WEIR_OK);
}

static const double at_level[WEIR_LEVELS] = {0, 75, 88, 97, 120};

static weir_level level_of(const struct house *house)
{
	weir_level_change now = {.size = sizeof(now)};
	assert_int_equal(weir_admission_level_get(house->admission, &now), WEIR_OK);
	return now.to;
}

static void set_level(struct house *house, weir_level level)
{
	feed(house, 0);
	now_ns += 100 * MS;
	feed(house, at_level[level]);
	assert_int_equal(level_of(house), level);
}

static weir_decision ask_class(struct house *house, weir_class task_class, weir_when_short when_short)
{
	return weir_admission_admit(house->admission,
				    WEIR_DEMAND(.cores = 1, .task_class = task_class, .when_short = when_short), tell,
				    NULL);
}

static const weir_class all_classes[WEIR_CLASSES] = {WEIR_NORMAL, WEIR_HIGH, WEIR_CRITICAL, WEIR_BEST_EFFORT};

/* On nodes where something runs, so that Z6 is not what lets them go. */
static void each_level_holds_back_its_classes(void **state)
{
	(void)state;
	static const weir_verdict expected[WEIR_LEVELS][WEIR_CLASSES] = {
		/* NORMAL, HIGH, CRITICAL, BEST_EFFORT */
		{WEIR_ADMITTED, WEIR_ADMITTED, WEIR_ADMITTED, WEIR_ADMITTED},
		{WEIR_ADMITTED, WEIR_ADMITTED, WEIR_ADMITTED, WEIR_QUEUED},
		{WEIR_QUEUED, WEIR_ADMITTED, WEIR_ADMITTED, WEIR_REJECTED},
		{WEIR_REJECTED, WEIR_ADMITTED, WEIR_ADMITTED, WEIR_REJECTED},
		{WEIR_REJECTED, WEIR_REJECTED, WEIR_ADMITTED, WEIR_REJECTED},
	};
	for (int l = 0; l < WEIR_LEVELS; l++)
		for (int c = 0; c < WEIR_CLASSES; c++) {
			struct house house;
			build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){0});
			weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true));
			weir_grant b = admit(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(1), .home_only = true));
			set_level(&house, (weir_level)l);
			told_count = 0;
			weir_decision decision = ask_class(&house, all_classes[c], WEIR_QUEUE);
			assert_int_equal(decision.verdict, expected[l][c]);
			if (decision.verdict == WEIR_ADMITTED) {
				assert_int_equal(decision.cause, WEIR_CAUSE_NONE);
				release(&house, decision.grant);
			} else {
				assert_int_equal(decision.cause, WEIR_CAUSE_DEGRADED);
				assert_says(&decision, "under pressure");
				assert_int_equal(decision.retry_after_ns,
						 decision.verdict == WEIR_QUEUED ? 0 : 100 * MS);
			}
			if (decision.verdict == WEIR_QUEUED) {
				/* Whoever may not wait is deferred instead. */
				weir_decision now = ask_class(&house, all_classes[c], WEIR_DEFER);
				assert_refused(now, WEIR_DEFERRED, WEIR_CAUSE_DEGRADED, "under pressure");
				now = ask_class(&house, all_classes[c], WEIR_FAIL);
				assert_refused(now, WEIR_REJECTED, WEIR_CAUSE_DEGRADED, "under pressure");
				assert_int_equal(now.retry_after_ns, 100 * MS);
				assert_int_equal(told_count, 0);
				set_level(&house, WEIR_LEVEL_GREEN);
				assert_int_equal(told_count, 1);
				release(&house, told[0].grant);
			}
			release(&house, a);
			release(&house, b);
			pull_down(&house, 3 + 2 * (decision.verdict == WEIR_QUEUED));
		}
}

/* Z6: at the ask, and for the first in the room; and never against the ledger. */
static void an_empty_node_admits_the_first_whatever_the_level(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){0});
	told_count = 0;
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	set_level(&house, WEIR_LEVEL_BLACK);
	weir_decision other = ask_class(&house, WEIR_BEST_EFFORT, WEIR_QUEUE);
	assert_int_equal(other.verdict, WEIR_ADMITTED);
	assert_int_equal(other.node, 1);
	assert_refused(ask_class(&house, WEIR_HIGH, WEIR_QUEUE), WEIR_REJECTED, WEIR_CAUSE_DEGRADED, "under pressure");
	release(&house, other.grant);
	release(&house, ask_class(&house, WEIR_NORMAL, WEIR_QUEUE).grant);

	/* In the room: both wait since ORANGE, and the first goes when a node is empty, the second not before it is again. */
	other = ask_class(&house, WEIR_HIGH, WEIR_QUEUE);
	set_level(&house, WEIR_LEVEL_ORANGE);
	weir_decision first = ask_class(&house, WEIR_NORMAL, WEIR_QUEUE),
		      second = ask_class(&house, WEIR_NORMAL, WEIR_QUEUE);
	assert_int_equal(first.verdict, WEIR_QUEUED);
	assert_int_equal(second.verdict, WEIR_QUEUED);
	feed(&house, 120);
	release(&house, a);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].ticket, first.ticket);
	release(&house, other.grant);
	assert_int_equal(told_count, 2);
	release(&house, told[0].grant);
	release(&house, told[1].grant);
	pull_down(&house, 7);
}

/* Z6, with credits: what a thread keeps at hand is held by nobody. Fails if a node counts as used for what lies in a credit,
 * or if a give to a credit leaves who waits for an empty node alone. */
static void what_lies_in_a_credit_makes_no_node_used(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:64 pu:1"), (weir_admission_options){0});
	weir_grant own;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_tracker_take(house.tracker, WEIR_DEMAND(.cores = 1), &own, NULL), WEIR_OK);
		assert_int_equal(weir_tracker_give(house.tracker, own), WEIR_OK);
	}
	assert_true(credits_on(&house.tracker->credits, 0) != 0);
	set_level(&house, WEIR_LEVEL_ORANGE);
	weir_decision first = ask_class(&house, WEIR_NORMAL, WEIR_QUEUE);
	assert_int_equal(first.verdict, WEIR_ADMITTED);
	release(&house, first.grant);

	usleep(2000); /* credits are in use again, by their own clock */
	told_count = 0;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(weir_tracker_take(house.tracker, WEIR_DEMAND(.cores = 1), &own, NULL), WEIR_OK);
		if (i < 2)
			assert_int_equal(weir_tracker_give(house.tracker, own), WEIR_OK);
	}
	assert_int_equal(ask_class(&house, WEIR_NORMAL, WEIR_QUEUE).verdict, WEIR_QUEUED);
	assert_int_equal(weir_tracker_give(house.tracker, own), WEIR_OK);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	pull_down(&house, 2);
}

/* A class that is kept waiting claims no room: what is served goes past it, however often. */
static void a_class_that_the_level_keeps_claims_nothing(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.overtakes_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	set_level(&house, WEIR_LEVEL_ORANGE);
	told_count = 0;
	weir_decision normal = weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 19), tell, NULL);
	assert_int_equal(normal.verdict, WEIR_QUEUED);
	for (int i = 0; i < 10; i++) {
		now_ns += 10 * MS;
		release(&house, admit(&house, WEIR_DEMAND(.cores = 19, .task_class = WEIR_HIGH)));
	}
	assert_int_equal(counts_of(&house).claims, 0);
	assert_int_equal(told_count, 0);
	set_level(&house, WEIR_LEVEL_GREEN);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	release(&house, a);
	pull_down(&house, 12);
}

static weir_level_change changes[16];
static uint32_t changes_count;

static void note_change(const weir_level_change *change, void *context)
{
	assert_ptr_equal(context, changes);
	assert_true(changes_count < ARRAY_LENGTH(changes));
	changes[changes_count++] = *change;
}

static void who_wants_to_know_is_told_of_each_change(void **state)
{
	(void)state;
	struct house house;
	weir_level_options levels = {.size = sizeof(levels),
				     .level_changed = note_change,
				     .context = changes,
				     .degrade = WEIR_DEGRADE_OBSERVE};
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.levels = &levels});
	changes_count = 0;
	feed(&house, 75);
	feed(&house, 75);
	feed(&house, 99);
	feed(&house, 0);
	now_ns += 100 * MS;
	feed(&house, 0);
	assert_int_equal(changes_count, 3);
	static const weir_level expected[] = {WEIR_LEVEL_GREEN, WEIR_LEVEL_YELLOW, WEIR_LEVEL_RED, WEIR_LEVEL_GREEN};
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(changes[i].from, expected[i]);
		assert_int_equal(changes[i].to, expected[i + 1]);
	}
	/* Observed: nothing is held back. */
	feed(&house, 120);
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	weir_decision decision = ask_class(&house, WEIR_BEST_EFFORT, WEIR_QUEUE);
	assert_int_equal(decision.verdict, WEIR_ADMITTED);
	release(&house, decision.grant);
	release(&house, a);
	pull_down(&house, 2);
}

/* Item of the issue: full, and all of it granted. The limit is the larger of the ledger's and the machine's. */
static void a_full_but_accounted_pool_stays_green(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(house.tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	uint64_t limit = usage.limit.memory_bytes;
	weir_reading reading = {.size = sizeof(reading), .known = WEIR_KNOWN_PROCESS, .process_rss_bytes = 100 * MIB};
	assert_int_equal(weir_admission_feed(house.admission, &reading), WEIR_OK);
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 1, .memory_bytes = limit));
	for (uint64_t used = 0; used <= limit; used += limit / 16) {
		reading.process_rss_bytes = 100 * MIB + used;
		assert_int_equal(weir_admission_feed(house.admission, &reading), WEIR_OK);
		assert_int_equal(level_of(&house), WEIR_LEVEL_GREEN);
	}
	/* The same use without the grant is BLACK. */
	release(&house, all);
	assert_int_equal(weir_admission_feed(house.admission, NULL), WEIR_OK);
	assert_int_equal(level_of(&house), WEIR_LEVEL_BLACK);
	pull_down(&house, 1);
}

/* Breakers, with outcomes as they happen: a full room. */
static void a_breaker_opens_by_a_full_room_and_closes_by_probes(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.waiting_max = 1});
	assert_int_equal(weir_admission_breaker_set(house.admission, WEIR_NORMAL, WEIR_BREAKER_ON), WEIR_OK);
	told_count = 0;
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 20, .task_class = WEIR_HIGH));
	weir_decision one = queue(&house, WEIR_DEMAND(.cores = 1), NULL);
	now_ns += 10 * MS;
	/* Deferral is waiting, and counts as nothing. */
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask(&house, WEIR_DEMAND(.cores = 1)).verdict, WEIR_DEFERRED);
	for (int i = 0; i < 20; i++)
		assert_refused(ask_class(&house, WEIR_NORMAL, WEIR_QUEUE), WEIR_REJECTED, WEIR_CAUSE_QUEUE_FULL,
			       "full");
	weir_decision refused = ask_class(&house, WEIR_NORMAL, WEIR_QUEUE);
	assert_refused(refused, WEIR_REJECTED, WEIR_CAUSE_BREAKER, "breaker is open");
	assert_in_range(refused.retry_after_ns, 50 * MS, 101 * MS);
	/* Neither another shape nor another class. */
	assert_int_equal(ask(&house, WEIR_DEMAND(.cores = 2)).verdict, WEIR_DEFERRED);
	assert_int_equal(ask(&house, WEIR_DEMAND(.cores = 1, .task_class = WEIR_HIGH)).verdict, WEIR_DEFERRED);

	/* Half-open: deferred probes say nothing, the one that waits is out for as long as it does. */
	now_ns += refused.retry_after_ns;
	assert_int_equal(weir_admission_cancel(house.admission, one.ticket), WEIR_OK);
	for (int i = 0; i < 9; i++)
		assert_int_equal(ask(&house, WEIR_DEMAND(.cores = 1)).cause, WEIR_CAUSE_SHORT);
	weir_breaker_view view = {.size = sizeof(view)};
	one = queue(&house, WEIR_DEMAND(.cores = 1), NULL);
	assert_int_equal(weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = 1), &view), WEIR_OK);
	assert_int_equal(view.state, WEIR_BREAKER_HALF_OPEN);
	assert_int_equal(view.probes_out, 1);
	/* Z7: a cancelled one leaves its place; granted ones close it. */
	assert_int_equal(weir_admission_cancel(house.admission, one.ticket), WEIR_OK);
	assert_int_equal(weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = 1), &view), WEIR_OK);
	assert_int_equal(view.probes_out, 0);
	one = queue(&house, WEIR_DEMAND(.cores = 1), NULL);
	told_count = 0;
	release(&house, all);
	assert_int_equal(told_count, 1);
	weir_grant b = admit(&house, WEIR_DEMAND(.cores = 1)), c = admit(&house, WEIR_DEMAND(.cores = 1));
	assert_int_equal(weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = 1), &view), WEIR_OK);
	assert_int_equal(view.state, WEIR_BREAKER_CLOSED);
	assert_int_equal(view.opened, 1);
	assert_int_equal(view.half_opened, 1);
	assert_int_equal(view.closed, 1);
	assert_int_equal(view.refused, 1);
	release(&house, told[0].grant);
	release(&house, b);
	release(&house, c);
	pull_down(&house, counts_of(&house).asked);
}

static void a_breaker_that_is_forced_open_refuses_and_one_that_observes_does_not(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.waiting_max = 1});
	assert_int_equal(weir_admission_breaker_set(house.admission, WEIR_HIGH, WEIR_BREAKER_FORCED_OPEN), WEIR_OK);
	weir_decision forced = ask_class(&house, WEIR_HIGH, WEIR_QUEUE);
	assert_refused(forced, WEIR_REJECTED, WEIR_CAUSE_BREAKER, "breaker is open");
	assert_int_equal(forced.retry_after_ns, 30 * WEIR_NS_PER_S); /* somebody may close it: not never */
	release(&house, ask_class(&house, WEIR_NORMAL, WEIR_QUEUE).grant);
	assert_int_equal(weir_admission_breaker_set(house.admission, WEIR_HIGH, WEIR_BREAKER_OBSERVE), WEIR_OK);
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 20));
	weir_decision one = queue(&house, WEIR_DEMAND(.cores = 1), NULL);
	for (int i = 0; i < 25; i++)
		assert_int_equal(ask_class(&house, WEIR_HIGH, WEIR_QUEUE).cause, WEIR_CAUSE_QUEUE_FULL);
	weir_breaker_view view = {.size = sizeof(view)};
	assert_int_equal(
		weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = 1, .task_class = WEIR_HIGH), &view),
		WEIR_OK);
	assert_int_equal(view.state, WEIR_BREAKER_OPEN);
	assert_int_equal(view.would_refuse, 5);
	assert_int_equal(weir_admission_cancel(house.admission, one.ticket), WEIR_OK);
	release(&house, all);
	pull_down(&house, 29);
}

/* Deadlines: one core is free every 10 ms; what stands before it counts. */
static void the_deadline_rule_refuses_what_cannot_make_it(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.rule = WEIR_ADMIT_DEADLINE});
	told_count = 0;
	weir_grant grant[20];
	for (int i = 0; i < 20; i++)
		grant[i] = admit(&house, WEIR_DEMAND(.cores = 1));
	/* No rate is known yet: it may. */
	weir_decision early = queue(&house, WEIR_DEMAND(.cores = 20, .deadline_ns = MS), NULL);
	assert_int_equal(weir_admission_cancel(house.admission, early.ticket), WEIR_OK);
	for (int i = 0; i < 200; i++) {
		now_ns += 10 * MS;
		release(&house, grant[i % 20]);
		assert_int_equal(weir_admission_tick(house.admission, NULL), WEIR_OK);
		grant[i % 20] = admit(&house, WEIR_DEMAND(.cores = 1));
	}
	static const struct {
		double cores;
		uint64_t deadline_ms, run_ms;
		bool goes;
	} cases[] = {
		{1, 0, 900, true},			/* none */
		{1, 100, 50, true},			/* 10 ms to wait, 50 to run */
		{1, 100, 99, false}, {5, 20, 0, false}, /* 50 ms to wait */
		{5, 200, 100, true},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_decision decision = weir_admission_admit(house.admission,
							      WEIR_DEMAND(.cores = cases[i].cores,
									  .deadline_ns = cases[i].deadline_ms * MS,
									  .run_ns = cases[i].run_ms * MS),
							      tell, NULL);
		if (!cases[i].goes) {
			assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_DEADLINE, "in the time");
			continue;
		}
		assert_int_equal(decision.verdict, WEIR_QUEUED);
		assert_int_equal(weir_admission_cancel(house.admission, decision.ticket), WEIR_OK);
	}
	/* Behind 20 cores of its own class; a higher class goes before those. */
	weir_decision before = queue(&house, WEIR_DEMAND(.cores = 20), NULL);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1, .deadline_ns = 150 * MS)), WEIR_REJECTED,
		       WEIR_CAUSE_DEADLINE, "in the time");
	assert_int_equal(ask(&house, WEIR_DEMAND(.cores = 1, .deadline_ns = 150 * MS, .task_class = WEIR_HIGH)).verdict,
			 WEIR_DEFERRED);
	assert_int_equal(weir_admission_cancel(house.admission, before.ticket), WEIR_OK);
	assert_int_equal(ask(&house, WEIR_DEMAND(.cores = 1, .deadline_ns = 150 * MS)).verdict, WEIR_DEFERRED);
	for (int i = 0; i < 20; i++)
		release(&house, grant[i]);
	pull_down(&house, counts_of(&house).asked);
}

/* Adaptive: a standing delay takes a fifth of the limits away; a node where nothing is held is open to all. */
static void the_adaptive_rule_uses_less_while_starts_are_late(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.rule = WEIR_ADMIT_ADAPTIVE});
	told_count = 0;
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 10)), b = admit(&house, WEIR_DEMAND(.cores = 10));
	release(&house, b);
	now_ns += 100 * MS;
	assert_int_equal(weir_admission_note_delay(house.admission, 6 * MS), WEIR_OK);
	assert_int_equal(weir_admission_feed(house.admission, NULL), WEIR_OK);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 6.5)), WEIR_DEFERRED, WEIR_CAUSE_CLASS_FLOOR, "kept");
	release(&house, admit(&house, WEIR_DEMAND(.cores = 6)));
	weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 9), NULL);
	assert_int_equal(waits.verdict, WEIR_QUEUED);
	/* The delay is gone: back in steps, and who waited for it starts. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(told_count, i * 50 + 800 >= 950 ? 1 : 0);
		now_ns += 100 * MS;
		assert_int_equal(weir_admission_note_delay(house.admission, MS), WEIR_OK);
		assert_int_equal(weir_admission_feed(house.admission, NULL), WEIR_OK);
	}
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	release(&house, a);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 20)));
	pull_down(&house, 6);
}

static void floors_are_an_option(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node),
	      (weir_admission_options){.rule = WEIR_ADMIT_WATERMARK,
				       .class_floor_permille = {[WEIR_NORMAL] = 500, [WEIR_BEST_EFFORT] = UINT32_MAX}});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 9.5)), WEIR_DEFERRED, WEIR_CAUSE_CLASS_FLOOR,
		       "kept for higher");
	release(&house, admit(&house, WEIR_DEMAND(.cores = 9)));
	release(&house, admit(&house, WEIR_DEMAND(.cores = 19, .task_class = WEIR_BEST_EFFORT)));
	release(&house, a);
	pull_down(&house, 4);
}

/* Observe: nothing is refused, nothing waits; what has room is granted as always. */
static void observe_lets_everything_go_and_counts_it(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.waiting_max = 1});
	told_count = 0;
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 20));
	weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 5), NULL);
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_OBSERVE | WEIR_ADMIT_WATERMARK), WEIR_OK);
	/* Who waited starts, without a grant. */
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].ticket, waits.ticket);
	assert_int_equal(told[0].grant.handle, 0);
	static const struct {
		double cores;
		weir_cause cause;
	} cases[] = {{1, WEIR_CAUSE_SHORT}, {1, WEIR_CAUSE_SHORT}, {21, WEIR_CAUSE_INFEASIBLE}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_decision decision =
			weir_admission_admit(house.admission, WEIR_DEMAND(.cores = cases[i].cores), tell, NULL);
		assert_true(decision.allowed);
		assert_int_equal(decision.verdict, WEIR_ADMITTED);
		assert_int_equal(decision.cause, cases[i].cause);
		assert_int_equal(decision.grant.handle, 0);
		assert_says(&decision, "without a grant (observed): ");
	}
	assert_int_equal(counts_of(&house).cause[WEIR_ADMITTED][WEIR_CAUSE_SHORT], 2);
	assert_int_equal(counts_of(&house).cause[WEIR_ADMITTED][WEIR_CAUSE_INFEASIBLE], 1);
	release(&house, a);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 20)));
	/* Back to hard: as if nothing had been. */
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	a = admit(&house, WEIR_DEMAND(.cores = 20));
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1)), WEIR_DEFERRED, WEIR_CAUSE_SHORT, "CPU is short");
	release(&house, a);
	pull_down(&house, 8);
}

struct rule_of_the_house {
	weir_verdict verdict;
	uint32_t asked;
	uint64_t waited_ns;
};

static weir_verdict small_ones_only(const weir_demand *demand, const weir_policy_view *view, void *context)
{
	struct rule_of_the_house *rule = context;
	rule->asked++;
	rule->waited_ns = view->waited_ns;
	return demand->cores <= 2 ? WEIR_ADMITTED : rule->verdict;
}

static void the_applications_policy_decides_before_the_ledger(void **state)
{
	(void)state;
	struct house house;
	struct rule_of_the_house rule = {.verdict = WEIR_REJECTED};
	weir_policy policy = {.fn = small_ones_only, .context = &rule, .name = "small ones only"};
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.policy = &policy});
	told_count = 0;
	release(&house, admit(&house, WEIR_DEMAND(.cores = 2)));
	assert_int_equal(rule.waited_ns, 0);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 3)), WEIR_REJECTED, WEIR_CAUSE_POLICY, "policy refuses");
	rule.verdict = WEIR_DEFERRED;
	weir_decision decision = weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 3), tell, NULL);
	assert_refused(decision, WEIR_DEFERRED, WEIR_CAUSE_POLICY, "policy refuses");
	assert_int_not_equal(decision.retry_after_ns, 0);
	rule.verdict = WEIR_QUEUED;
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 3)), WEIR_DEFERRED, WEIR_CAUSE_POLICY, "policy refuses");
	weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 3), NULL);
	assert_int_equal(waits.cause, WEIR_CAUSE_POLICY);
	/* Asked again as time passes; and let go by a policy that lets it, or by none. */
	uint32_t asked = rule.asked;
	now_ns += MS;
	assert_int_equal(weir_admission_feed(house.admission, NULL), WEIR_OK);
	assert_int_equal(rule.asked, asked + 1);
	assert_int_equal(rule.waited_ns, MS);
	assert_int_equal(told_count, 0);
	rule.verdict = WEIR_ADMITTED;
	assert_int_equal(weir_admission_feed(house.admission, NULL), WEIR_OK);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	rule.verdict = WEIR_QUEUED;
	waits = queue(&house, WEIR_DEMAND(.cores = 3), NULL);
	assert_int_equal(weir_admission_set_policy(house.admission, NULL), WEIR_OK);
	assert_int_equal(told_count, 2);
	assert_int_equal(told[1].ticket, waits.ticket);
	asked = rule.asked;
	release(&house, told[1].grant);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 3)));
	assert_int_equal(rule.asked, asked);
	assert_int_equal(weir_admission_set_policy(house.admission, &(weir_policy){0}), WEIR_EINVAL);
	pull_down(&house, 7);
}

static void rules_are_read_and_written_as_text(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t rules;
		const char *again;
	} good[] = {{"hard", 0, "hard"},
		    {"watermark", 1, "watermark"},
		    {"deadline+watermark", 5, "watermark+deadline"},
		    {"hard+observe", 8, "observe"},
		    {"observe+adaptive+deadline+watermark", 15, "watermark+adaptive+deadline+observe"}};
	for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
		uint32_t rules = 99;
		char text[64];
		assert_int_equal(weir_rules_parse(&rules, good[i].text), WEIR_OK);
		assert_int_equal(rules, good[i].rules);
		assert_int_equal(weir_rules_text(rules, text, sizeof(text)), strlen(good[i].again));
		assert_string_equal(text, good[i].again);
		assert_int_equal(weir_rules_text(rules, text, 5), strlen(good[i].again));
		assert_int_equal(weir_rules_text(rules, NULL, 5), strlen(good[i].again));
		assert_int_equal(strlen(text), 4);
	}
	static const char *const bad[] = {"", "soft", "hard+", "+hard", "watermark deadline", "hard,observe"};
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		uint32_t rules = 99;
		assert_int_equal(weir_rules_parse(&rules, bad[i]), WEIR_EINVAL);
		assert_int_equal(rules, 99);
	}
}

static void wrong_calls_are_named(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	weir_breaker_view view = {.size = sizeof(view)};
	weir_level_change change = {.size = 3};
	static const weir_breaker_options wrong_breaker = {.size = sizeof(wrong_breaker), .windows = 99};
	static const weir_level_options wrong_levels = {.size = sizeof(wrong_levels), .leave_permille = 999};
	static const weir_policy no_function = {.name = "none"};
	static const weir_admission_options options[] = {
		{.size = sizeof(weir_admission_options), .breaker = &wrong_breaker},
		{.size = sizeof(weir_admission_options), .levels = &wrong_levels},
		{.size = sizeof(weir_admission_options), .policy = &no_function},
		{.size = sizeof(weir_admission_options), .class_floor_permille = {[WEIR_HIGH] = 901}},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
		weir_admission *none = NULL;
		assert_int_equal(weir_admission_create(&none, house.tracker, &options[i]), WEIR_EINVAL);
		assert_null(none);
	}
	assert_non_null(strstr(weir_error_text(), "class_floor_permille[high] is 901"));
	assert_int_equal(weir_admission_breaker_set(house.admission, (weir_class)4, WEIR_BREAKER_ON), WEIR_EINVAL);
	assert_int_equal(weir_admission_breaker_set(house.admission, WEIR_HIGH, (weir_breaker_mode)5), WEIR_EINVAL);
	assert_int_equal(weir_admission_breaker_set(house.admission, WEIR_HIGH, WEIR_BREAKER_OFF), WEIR_OK);
	assert_int_equal(weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = 1), &view), WEIR_OK);
	assert_int_equal(view.mode, WEIR_BREAKER_OFF);
	assert_int_equal(weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = -1), &view), WEIR_EINVAL);
	assert_int_equal(weir_admission_level_get(house.admission, &change), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "out->size is 3: set it to its sizeof"));
	assert_int_equal(weir_admission_level_get(NULL, &change), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "admission is NULL"));
	assert_int_equal(weir_admission_breaker_get(house.admission, WEIR_DEMAND(.cores = 1), NULL), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "out is NULL"));
	assert_int_equal(weir_admission_feed(house.admission, &(weir_reading){0}), WEIR_EINVAL);
	assert_int_equal(weir_admission_set_rule(house.admission, 16 | WEIR_ADMIT_DEADLINE), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "rule is 20, in which 16 is no rule"));
	pull_down(&house, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_level_holds_back_its_classes),
		cmocka_unit_test(an_empty_node_admits_the_first_whatever_the_level),
		cmocka_unit_test(what_lies_in_a_credit_makes_no_node_used),
		cmocka_unit_test(a_class_that_the_level_keeps_claims_nothing),
		cmocka_unit_test(who_wants_to_know_is_told_of_each_change),
		cmocka_unit_test(a_full_but_accounted_pool_stays_green),
		cmocka_unit_test(a_breaker_opens_by_a_full_room_and_closes_by_probes),
		cmocka_unit_test(a_breaker_that_is_forced_open_refuses_and_one_that_observes_does_not),
		cmocka_unit_test(the_deadline_rule_refuses_what_cannot_make_it),
		cmocka_unit_test(the_adaptive_rule_uses_less_while_starts_are_late),
		cmocka_unit_test(floors_are_an_option),
		cmocka_unit_test(observe_lets_everything_go_and_counts_it),
		cmocka_unit_test(the_applications_policy_decides_before_the_ledger),
		cmocka_unit_test(rules_are_read_and_written_as_text),
		cmocka_unit_test(wrong_calls_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
