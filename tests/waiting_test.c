/* SPDX-License-Identifier: MIT */
/* waiting_test.c - how long a demand waits: as long as it says and no longer, and not at all where it says so; and how one of
 * many that wait is cancelled. In virtual time. */
#include "house.h"

static const char one_node[] = "numa:1 core:4 pu:1";

static void settle_at(struct house *house, uint64_t at_ns)
{
	now_ns = at_ns;
	assert_int_equal(weir_admission_tick(house->admission, NULL), WEIR_OK);
	admission_settle(house->admission); /* for the claim by age, which no time is kept for */
}

/* When somebody in the room gives up, as far as who keeps time knows. */
static uint64_t room_due(const struct house *house)
{
	return at_load(&house->admission->due_ns[DUE_ROOM], relaxed, none);
}

static void assert_given_up(const struct told *one, weir_decision decision, weir_cause cause)
{
	assert_int_equal(one->ticket, decision.ticket);
	assert_int_equal(one->grant.handle, 0);
	assert_int_equal(one->cause, cause);
}

/* X2: wait_ns_max, and deadline_ns less run_ns, whichever is over first; once, and with its cause; although there is room at
 * the very moment. Before that it waits, after it the others do not notice. */
static void who_waits_gives_up_when_its_time_is_over(void **state)
{
	(void)state;
	static const struct {
		uint64_t wait_ns_max, deadline_ns, run_ns, after_ns;
	} cases[] = {
		{1000, 0, 0, 1000},
		{1000, 0, 5000, 1000},
		{0, 1000, 0, 1000},
		{0, 1000, 400, 600},
		{500, 1000, 400, 500},
		{700, 1000, 400, 600},
		{UINT64_MAX - 1, UINT64_MAX, 400, UINT64_MAX - 400},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct house house;
		build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
		weir_grant all = admit(&house, WEIR_DEMAND(.cores = 4));
		told_count = 0;
		assert_int_equal(room_due(&house), EXPIRY_NEVER);
		weir_decision patient = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
		weir_decision decision = queue(&house,
					       WEIR_DEMAND(.cores = 4, .wait_ns_max = cases[i].wait_ns_max,
							   .deadline_ns = cases[i].deadline_ns,
							   .run_ns = cases[i].run_ns, .task_class = WEIR_CRITICAL),
					       NULL);
		uint64_t due_ns = 1 + cases[i].after_ns;
		assert_int_equal(room_due(&house), due_ns);
		settle_at(&house, due_ns - 1);
		assert_int_equal(told_count, 0);
		now_ns = due_ns;
		release(&house, all);
		assert_int_equal(told_count, 2);
		assert_given_up(&told[0], decision, WEIR_CAUSE_DEADLINE);
		assert_int_equal(told[1].ticket, patient.ticket);
		assert_int_equal(told[1].cause, WEIR_CAUSE_NONE);
		assert_int_equal(weir_admission_cancel(house.admission, decision.ticket), WEIR_ESTALE);
		/* Once looked at, there is no such time any more. */
		settle_at(&house, due_ns);
		assert_int_equal(room_due(&house), EXPIRY_NEVER);
		release(&house, told[1].grant);
		assert_int_equal(counts_of(&house).expired, 1);
		pull_down(&house, 3);
	}
}

/* Whoever keeps time is woken when the earliest time comes nearer, and only then. */
static void who_keeps_time_is_told_of_an_earlier_one(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 4));
	told_count = 0;
	struct park *keeper = &house.admission->alarm;
	static const struct {
		uint64_t wait_ns_max;
		bool woken;
		uint64_t due_ns;
	} steps[] = {{500, true, 501}, {900, false, 501}, {0, false, 501}, {200, true, 201}, {200, false, 201}};
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		uint32_t ticket = park_ticket(keeper);
		(void)queue(&house, WEIR_DEMAND(.cores = 1, .wait_ns_max = steps[i].wait_ns_max), NULL);
		assert_int_equal(park_ticket(keeper) != ticket, steps[i].woken);
		assert_int_equal(room_due(&house), steps[i].due_ns);
	}
	settle_at(&house, 201);
	assert_int_equal(told_count, 2);
	assert_int_equal(room_due(&house), 501);
	settle_at(&house, 5000);
	assert_int_equal(told_count, 4);
	assert_int_equal(room_due(&house), EXPIRY_NEVER);
	release(&house, all);
	assert_int_equal(told_count, 5);
	release(&house, told[4].grant);
	pull_down(&house, 6);
}

/* What by its own account cannot end in time is refused at once, although there is room. */
static void a_deadline_nearer_than_the_run_is_refused(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 1, .deadline_ns = 100, .run_ns = 100));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_DEADLINE, "in the time that it gives");
	assert_int_equal(decision.retry_after_ns, UINT64_MAX);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 1, .deadline_ns = 101, .run_ns = 100)));
	pull_down(&house, 2);
}

/* WEIR_FAIL: nothing waits, whatever is short, and the cause is what it would be for others. */
static void who_fails_at_once_is_rejected_with_the_cause(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(0)));
	weir_grant b = admit(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(1)));
	told_count = 0;
	weir_decision decision =
		weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 3, .when_short = WEIR_FAIL), tell, NULL);
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_FRAGMENTED, "together have the room");
	assert_in_range(decision.retry_after_ns, 1, 10 * WEIR_NS_PER_MS);
	decision = weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 4, .when_short = WEIR_FAIL), tell, NULL);
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_SHORT, "CPU is short on node 0, 1");
	decision = ask(&house, WEIR_DEMAND(.cores = 5, .when_short = WEIR_FAIL));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_INFEASIBLE, "never fit");
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(0), .home_only = true), NULL);
	settle_at(&house, now_ns + 1);
	decision =
		ask(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(0), .home_only = true, .when_short = WEIR_FAIL));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_CLAIMED, "waited too long");
	assert_int_equal(told_count, 0);
	release(&house, a);
	release(&house, b);
	release(&house, told[0].grant);
	pull_down(&house, 7);
}

/* Limits that come down below what somebody waits for send it away, and nobody else. */
static void who_can_never_fit_any_more_leaves(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	weir_decision large = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	weir_decision same = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	settle_at(&house, now_ns + 1);
	assert_int_equal(counts_of(&house).claims, 1);
	weir_decision medium = queue(&house, WEIR_DEMAND(.cores = 3.5), NULL);
	assert_int_equal(weir_tracker_set_limits(house.tracker,
						 WEIR_LIMITS(.node = (weir_node_limit[]){{.cores = 3.5}}, .nodes = 1)),
			 WEIR_OK);
	assert_int_equal(told_count, 2);
	for (int i = 0; i < 2; i++)
		assert_true((told[i].ticket == large.ticket || told[i].ticket == same.ticket) &&
			    told[i].cause == WEIR_CAUSE_INFEASIBLE);
	assert_int_equal(counts_of(&house).infeasible_later, 2);
	assert_int_equal(weir_tracker_set_limits(house.tracker, NULL), WEIR_OK);
	release(&house, one);
	assert_int_equal(told[2].ticket, medium.ticket);
	release(&house, told[2].grant);
	pull_down(&house, 4);
}

/* At the look at the clock as somebody begins to wait, limits come down below what it needs. */
static weir_tracker *lowered;

static uint64_t lower_as_it_arrives(void *context)
{
	(void)context;
	weir_tracker *tracker = lowered;
	lowered = NULL;
	if (tracker)
		assert_int_equal(weir_tracker_set_limits(
					 tracker, WEIR_LIMITS(.node = (weir_node_limit[]){{.cores = 2}}, .nodes = 1)),
				 WEIR_OK);
	return now_ns;
}

/* Limits change between the look whether it fits some day and the arrival, so that the sweep comes too early for it. Fails if
 * it waits for ever. */
static void who_arrives_after_limits_came_down_leaves_as_well(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	house.admission->clock.now_ns = lower_as_it_arrives;
	lowered = house.tracker;
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].cause, WEIR_CAUSE_INFEASIBLE);
	release(&house, one);
	pull_down(&house, 2);
}

/* A1, R1: of equal ones that wait, any may be cancelled: the first, the last, one between, one whose time is over; each is told
 * once and the others keep their order. */
static void any_of_many_equal_ones_may_be_cancelled(void **state)
{
	(void)state;
	enum { MANY = 200 };
	uint64_t random = fixture_seed("cancel");
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	weir_grant held = admit(&house, WEIR_DEMAND(.cores = 4));
	told_count = 0;
	uint64_t ticket[MANY];
	bool cancelled[MANY] = {false};
	for (int i = 0; i < MANY; i++)
		ticket[i] = queue(&house, WEIR_DEMAND(.cores = 4, .wait_ns_max = i % 3 ? 1000 : 0), NULL).ticket;
	uint32_t gone = 0;
	for (int i = 0; i < MANY / 2; i++) {
		uint32_t which = i ? (uint32_t)fixture_random(&random) % MANY : MANY - 1;
		bool first = !cancelled[which];
		assert_int_equal(weir_admission_cancel(house.admission, ticket[which]), first ? WEIR_OK : WEIR_ESTALE);
		cancelled[which] = true;
		gone += first;
		assert_int_equal(told_count, gone);
		assert_int_equal(told[gone - 1].cause, WEIR_CAUSE_NONE);
	}
	settle_at(&house, 1001);
	for (int i = 0; i < MANY; i++) {
		gone += !cancelled[i] && i % 3;
		cancelled[i] |= i % 3 != 0;
	}
	assert_int_equal(told_count, gone);
	for (int i = 0; i < MANY; i++) {
		if (cancelled[i])
			continue;
		release(&house, held);
		assert_int_equal(told_count, ++gone);
		assert_int_equal(told[gone - 1].ticket, ticket[i]);
		held = told[gone - 1].grant;
	}
	assert_int_equal(gone, MANY);
	release(&house, held);
	pull_down(&house, MANY + 1);
}

/* A place in the room is free again as soon as somebody gave up or was cancelled, and a full room is never passed. */
static void a_place_in_the_room_is_used_again(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.waiting_max = 2});
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 4));
	told_count = 0;
	uint64_t first = queue(&house, WEIR_DEMAND(.cores = 1), NULL).ticket;
	for (uint32_t i = 0; i < 3; i++) {
		(void)queue(&house, WEIR_DEMAND(.cores = 1, .wait_ns_max = 10), NULL);
		assert_refused(weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 1), tell, NULL),
			       WEIR_REJECTED, WEIR_CAUSE_QUEUE_FULL, "waiting room");
		settle_at(&house, now_ns + 10);
		assert_int_equal(told_count, i + 1);
	}
	assert_int_equal(weir_admission_cancel(house.admission, first), WEIR_OK);
	assert_int_equal(counts_of(&house).waiting_max_seen, 2);
	release(&house, all);
	pull_down(&house, 8);
}

/* A room full of lower classes refused CRITICAL as well, with a core kept free for it or not. */
static void critical_finds_a_place_in_a_room_that_others_filled(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){.waiting_max = 8});
	told_count = 0;
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 4));
	for (int i = 0; i < 8; i++)
		(void)queue(&house, WEIR_DEMAND(.cores = 1, .task_class = WEIR_BEST_EFFORT), NULL);
	assert_int_equal(weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 1), tell, NULL).cause,
			 WEIR_CAUSE_QUEUE_FULL);
	for (int i = 0; i < 2; i++)
		(void)queue(&house, WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL), NULL);
	assert_int_equal(
		weir_admission_admit(house.admission, WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL), tell, NULL)
			.cause,
		WEIR_CAUSE_QUEUE_FULL);
	release(&house, all);
	for (uint32_t i = 0; i < told_count; i++)
		release(&house, told[i].grant);
	assert_int_equal(told_count, 10);
	pull_down(&house, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_gives_up_when_its_time_is_over),
		cmocka_unit_test(who_keeps_time_is_told_of_an_earlier_one),
		cmocka_unit_test(a_deadline_nearer_than_the_run_is_refused),
		cmocka_unit_test(who_fails_at_once_is_rejected_with_the_cause),
		cmocka_unit_test(who_can_never_fit_any_more_leaves),
		cmocka_unit_test(who_arrives_after_limits_came_down_leaves_as_well),
		cmocka_unit_test(any_of_many_equal_ones_may_be_cancelled),
		cmocka_unit_test(a_place_in_the_room_is_used_again),
		cmocka_unit_test(critical_finds_a_place_in_a_room_that_others_filled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
