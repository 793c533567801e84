/* SPDX-License-Identifier: MIT */
/* claims_test.c - whoever waits too long, or is passed by too often, has room kept for it. */
#include "house.h"

/* Small ones hold the machine, one each, and as one ends another takes its place: who waits for a whole node would wait
 * for ever. direct: they ask when there is room, else they wait in the room as well. Returns how many were granted
 * before the large one. */
static uint32_t flood(struct house *house, const weir_demand *large, const weir_demand *small, uint32_t holders,
		      bool direct)
{
	weir_grant held[TOLD_MAX];
	uint32_t first = 0, end = 0;
	while (end < holders)
		held[end++] = admit(house, small);
	told_count = 0;
	static char is_large;
	(void)queue(house, large, &is_large);
	uint32_t passed = 0, seen = 0;
	for (uint32_t waiting = 0; first < end && end < TOLD_MAX - 1;) {
		if (!direct && waiting == 0) {
			(void)queue(house, small, NULL);
			waiting++;
		}
		release(house, held[first++]);
		for (; seen < told_count; seen++) {
			if (told[seen].context == &is_large) {
				release(house, told[seen].grant);
				goto out;
			}
			waiting--;
			passed++;
			held[end++] = told[seen].grant;
		}
		if (direct) {
			weir_decision decision = ask(house, small);
			passed += decision.allowed;
			if (decision.allowed)
				held[end++] = decision.grant;
		}
	}
	fail_msg("passed by %u times and still waiting", passed);
out:
	for (seen++; first < end; first++)
		release(house, held[first]);
	for (; seen < told_count; seen++)
		release(house, told[seen].grant);
	return passed;
}

/* The promise of overtakes_max: on a clock that stands still a claim comes after that many by-passes, and then nobody
 * else goes; whether the others come from the room or from outside, and whether nodes or a total are short. Fails if
 * either is not counted, or if a claim does not keep what it needs. */
static void a_flood_of_small_ones_does_not_starve_a_large_one(void **state)
{
	(void)state;
	static const weir_demand large = {.size = sizeof(large), .cores = 4};
	static const weir_demand small = {.size = sizeof(small), .cores = 1};
	static const weir_demand lower = {.size = sizeof(lower), .cores = 1, .task_class = WEIR_BEST_EFFORT};
	for (int kind = 0; kind < 8; kind++) {
		bool direct = kind & 1, total = kind & 2;
		struct house house;
		build(&house,
		      WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = total ? WEIR_LIMITS(.cores = 4) : NULL),
		      (weir_admission_options){.overtakes_max = 16});
		uint32_t passed = flood(&house, &large, kind & 4 ? &lower : &small, total ? 4 : 8, direct);
		/* One may have gone while the claim was not looked at yet; on the node that is not claimed others go
		 * on. */
		weir_admission_counts counts = counts_of(&house);
		assert_int_equal(counts.claims, 1);
		assert_in_range(counts.overtakes, 16, 16 + 1 + (total ? 0 : 8));
		assert_in_range(passed, 16, 16 + 1 + (total ? 0 : 8));
		pull_down(&house, counts.asked);
	}
}

/* A claim by age: nobody passed by often, but the time is up. What it keeps is refused to others as CLAIMED. */
static void who_has_waited_too_long_claims_its_room(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1000});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	weir_grant b = admit(&house, WEIR_DEMAND(.cores = 2));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	now_ns += 999;
	release(&house, a);
	a = admit(&house, WEIR_DEMAND(.cores = 1));
	assert_int_equal(counts_of(&house).claims, 0);
	now_ns += 1;
	release(&house, a);
	assert_int_equal(counts_of(&house).claims, 1);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1)), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED, "waited too long");
	/* A second one waits behind the claim, and is served once it is fulfilled. */
	(void)queue(&house, WEIR_DEMAND(.cores = 1), &told);
	assert_int_equal(told_count, 0);
	release(&house, b);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	assert_int_equal(told_count, 2);
	assert_ptr_equal(told[1].context, &told);
	release(&house, told[1].grant);
	pull_down(&house, 6);
}

/* The claim of a waiter that is cancelled is over at once, for those who wait and for those who ask. */
/* UINT64_MAX is never: O1 is then by overtakes alone. It failed by a sum that wrapped, so that everybody claimed at once. */
static void who_may_wait_for_ever_does_not_claim_by_time(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = UINT64_MAX, .aging_ns_max = UINT64_MAX});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1)), b = admit(&house, WEIR_DEMAND(.cores = 2));
	weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	now_ns += 3600 * WEIR_NS_PER_S;
	release(&house, a);
	assert_int_equal(counts_of(&house).claims, 0);
	release(&house, admit(&house, WEIR_DEMAND(.cores = 1, .task_class = WEIR_BEST_EFFORT)));
	assert_int_equal(weir_admission_cancel(house.admission, waits.ticket), WEIR_OK);
	release(&house, b);
	pull_down(&house, 4);
}

static void a_cancelled_claim_opens_what_it_kept(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	weir_decision large = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	now_ns += 1;
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .priority = -1), NULL);
	assert_int_equal(counts_of(&house).claims, 1);
	(void)queue(&house, WEIR_DEMAND(.cores = 2), &told);
	assert_int_equal(told_count, 0);
	assert_int_equal(weir_admission_cancel(house.admission, large.ticket), WEIR_OK);
	/* The claimant is told that it has nothing, and who fits now has started. */
	assert_int_equal(told_count, 2);
	assert_int_equal(told[0].ticket, large.ticket);
	assert_int_equal(told[0].grant.handle, 0);
	assert_ptr_equal(told[1].context, &told);
	release(&house, a);
	release(&house, told[1].grant);
	assert_int_equal(told_count, 3);
	release(&house, told[2].grant);
	assert_int_equal(counts_of(&house).cancelled, 1);
	pull_down(&house, 4);
}

/* The claim goes to one that is served before: who could use what the other one kept starts at once, not with the next
 * release. Fails if the room is not looked at again (room.pml, variant 10). */
static void a_claim_that_moves_opens_what_it_kept(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(0)));
	weir_grant b = admit(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(1)));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(1), .home_only = true), NULL);
	now_ns += 1;
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	(void)queue(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(1), .home_only = true), &told);
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(0), .home_only = true, .task_class = WEIR_HIGH),
		    NULL);
	assert_int_equal(told_count, 0);
	assert_int_equal(counts_of(&house).claims, 1);
	now_ns += 1;
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	assert_int_equal(counts_of(&house).claims, 2);
	assert_int_equal(told_count, 1);
	assert_ptr_equal(told[0].context, &told);
	release(&house, told[0].grant);
	release(&house, a);
	release(&house, b);
	assert_int_equal(told_count, 3);
	release(&house, told[1].grant);
	release(&house, told[2].grant);
	pull_down(&house, 5);
}

/* A claim keeps what the claimant needs and no more: who fits beside it starts, whether it asks or waits. Fails if the
 * claim closes the word, or if it is not added to what another asks for. */
static void who_fits_beside_a_claim_starts(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant a = admit(&house, WEIR_DEMAND(.cores = 3)), b = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 3), NULL);
	now_ns += 1;
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	assert_int_equal(counts_of(&house).claims, 1);
	(void)queue(&house, WEIR_DEMAND(.cores = 1, .priority = 1), &told);
	release(&house, b);
	assert_int_equal(told_count, 0);
	weir_grant c = admit(&house, WEIR_DEMAND(.memory_bytes = 1));
	release(&house, a);
	assert_int_equal(told_count, 2);
	assert_ptr_equal(told[1].context, &told);
	release(&house, told[0].grant);
	release(&house, told[1].grant);
	release(&house, c);
	pull_down(&house, 5);
}

/* Who ends before the claimant can have its room may use what is kept: while the shadow time is ahead, which is the rate of
 * releases' word, fixed as the claim is made and only moved nearer. Without a rate, or once it is past, nobody may. */
static void who_ends_before_the_shadow_may_use_what_is_kept(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:8 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = WEIR_NS_PER_MS});
	const weir_demand unknown = {.size = sizeof(unknown), .cores = 1};
	/* A core comes back each 10 ms. */
	weir_grant held[4];
	for (int i = 0; i < 4; i++)
		held[i] = admit(&house, &unknown);
	for (int i = 0; i < 200; i++) {
		now_ns += 10 * WEIR_NS_PER_MS;
		release(&house, held[i % 4]);
		held[i % 4] = admit(&house, &unknown);
		assert_int_equal(weir_admission_tick(house.admission, NULL), WEIR_OK);
	}
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 8), NULL);
	now_ns += WEIR_NS_PER_MS;
	admission_settle(house.admission);
	assert_int_equal(counts_of(&house).claims, 1);
	uint64_t shadow_ns = at_load(&house.admission->shadow_ns, relaxed, none);
	assert_in_range(shadow_ns, now_ns + 20 * WEIR_NS_PER_MS, now_ns + 60 * WEIR_NS_PER_MS);
	weir_demand ends = {.size = sizeof(ends), .cores = 1, .run_ns = shadow_ns - now_ns};
	weir_demand ends_later = ends;
	ends_later.run_ns++;
	assert_refused(ask(&house, &unknown), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED, "waited too long");
	assert_refused(ask(&house, &ends_later), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED, "waited too long");
	/* From the room as well. */
	ends.cores = 4;
	weir_grant lent = admit(&house, &ends);
	ends.cores = 1;
	ends_later.run_ns *= 4;
	(void)queue(&house, &ends_later, NULL);
	(void)queue(&house, &ends, &told);
	assert_int_equal(told_count, 0);
	release(&house, lent);
	assert_int_equal(told_count, 1);
	assert_ptr_equal(told[0].context, &told);
	/* Nothing comes back any more: the time does not move away. */
	now_ns = shadow_ns;
	assert_int_equal(weir_admission_tick(house.admission, NULL), WEIR_OK);
	admission_settle(house.admission);
	assert_in_range(at_load(&house.admission->shadow_ns, relaxed, none), 1, shadow_ns);
	ends.run_ns = 1;
	assert_refused(ask(&house, &ends), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED, "waited too long");
	release(&house, told[0].grant);
	for (int i = 0; i < 4; i++)
		release(&house, held[i]);
	assert_int_equal(told_count, 2);
	release(&house, told[1].grant);
	assert_int_equal(told_count, 3);
	release(&house, told[2].grant);
	pull_down(&house, counts_of(&house).asked);
}

static void without_a_rate_nothing_that_is_kept_is_lent(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	now_ns++;
	admission_settle(house.admission);
	assert_int_equal(counts_of(&house).claims, 1);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1, .run_ns = 1)), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED,
		       "waited too long");
	release(&house, one);
	release(&house, told[0].grant);
	pull_down(&house, 3);
}

/* Limits that come down where room is kept: it is kept where there will be some, and what was kept is open at once; where there
 * never will be, who waits is told, and nothing is kept. */
static void a_claim_is_made_anew_when_limits_change(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes), (weir_admission_options){.overtaken_ns_max = 1});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0)));
	weir_grant other = admit(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(1)));
	const weir_demand at[2] = {
		{.size = sizeof(weir_demand), .cores = 1, .home = WEIR_NODE(0), .home_only = true},
		{.size = sizeof(weir_demand), .cores = 1, .home = WEIR_NODE(1), .home_only = true},
	};
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4), NULL);
	now_ns++;
	admission_settle(house.admission);
	assert_refused(ask(&house, &at[0]), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED, "waited too long");
	release(&house, admit(&house, &at[1]));
	const weir_node_limit lower[2] = {{.cores = 3}, {.cores = 4}}, low[2] = {{.cores = 3}, {.cores = 3}};
	assert_int_equal(weir_tracker_set_limits(house.tracker, WEIR_LIMITS(.node = lower, .nodes = 2)), WEIR_OK);
	assert_int_equal(counts_of(&house).claims, 2);
	assert_refused(ask(&house, &at[1]), WEIR_DEFERRED, WEIR_CAUSE_CLAIMED, "waited too long");
	release(&house, admit(&house, &at[0]));
	assert_int_equal(told_count, 0);
	assert_int_equal(weir_tracker_set_limits(house.tracker, WEIR_LIMITS(.node = low, .nodes = 2)), WEIR_OK);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].cause, WEIR_CAUSE_INFEASIBLE);
	release(&house, admit(&house, &at[0]));
	release(&house, admit(&house, &at[1]));
	assert_int_equal(weir_tracker_set_limits(house.tracker, NULL), WEIR_OK);
	release(&house, one);
	release(&house, other);
	pull_down(&house, 9);
}

/* Permits every node until its calls are used up, then none: what a strategy, or a limit, does that changes during a look. */
static int64_t forbid_after(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	int *calls = context;
	(void)demand;
	(void)snapshot;
	(void)node;
	return *calls > 0 && (*calls)-- ? 0 : WEIR_SCORE_NEVER;
}

/* The place of a claim could be gone between the choice of the claimant and the claim: then a place that is none was claimed. */
static void a_place_that_is_gone_meanwhile_is_not_claimed(void **state)
{
	(void)state;
	for (int calls = 0; calls < 40; calls++) {
		int left = 1 << 30;
		const weir_strategy fickle = {.score = forbid_after, .context = &left, .name = "fickle"};
		struct house house;
		build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes),
		      (weir_admission_options){.strategy = &fickle});
		told_count = 0;
		weir_grant a = admit(&house, WEIR_DEMAND(.cores = 4)), b = admit(&house, WEIR_DEMAND(.cores = 3));
		weir_grant c = admit(&house, WEIR_DEMAND(.cores = 1));
		weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
		now_ns += WEIR_NS_PER_S;
		left = calls;
		release(&house, c);
		assert_in_range(house.admission->claimed_place + 1, 0, 2); /* a node, or none at all */
		assert_int_equal(house.admission->claimed_place == NO_NODE, !house.admission->claimant);
		left = 1 << 30;
		if (!told_count)
			assert_int_equal(weir_admission_cancel(house.admission, waits.ticket), WEIR_OK);
		release(&house, a);
		release(&house, b);
		pull_down(&house, 4);
	}
}

/* Room that lies in a thread's credit, as a recall leaves it that met its owner in the middle. */
struct in_credit {
	struct house *house;
	weir_grant grant; /* whose room it was; 0: no more */
};

/* Only node 1 will do for who says how long it runs; asked about that one, the room of a grant goes into a credit. */
static int64_t node_one(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	struct in_credit *in = context;
	struct book_record record;
	(void)snapshot;
	if (!demand->run_ns)
		return 0;
	if (in->grant.handle && !book_unpublish(in->house->tracker->book, in->grant, &record)) {
		struct slot_cache *cache = slots_cache(&in->house->tracker->book->slots);
		at_store(&cache->where, book_where(0, thread_index_plus_one), relaxed, none);
		at_store(&cache->kept, record.main, relaxed, none);
		_Atomic(uint64_t) *mode = &in->house->tracker->credits.mode;
		at_store(mode, at_load(mode, relaxed, none) - CREDITS_ON + CREDITS_PENDING, relaxed, none);
		in->grant.handle = 0;
	}
	return node == 1 ? 1 : WEIR_SCORE_NEVER;
}

/* A2. One passes a claim by back-fill; before that its try had credits recalled, and so room came back for one that was tried before
 * it. Fails if that one waits on: the second try, past the claim, must not forget what the first has done. */
static void what_was_recalled_before_a_claim_was_passed_is_looked_at(void **state)
{
	(void)state;
	struct house house;
	struct in_credit in = {.house = &house};
	weir_strategy strategy = {.score = node_one, .context = &in, .name = "node one"};
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes),
	      (weir_admission_options){.overtaken_ns_max = 1000, .strategy = &strategy});
	told_count = 0;
	weir_grant kept = admit(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true));
	weir_grant zero = admit(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(0), .home_only = true));
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(1), .home_only = true));
	static char claimant, before, passer;
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(1), .home_only = true), &claimant);
	now_ns += 1001;
	(void)queue(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true), &before);
	assert_int_equal(counts_of(&house).claims, 1);
	(void)queue(&house, WEIR_DEMAND(.cores = 1, .run_ns = 1), &passer);
	assert_int_equal(told_count, 0);
	/* From now on it would end before the claimant could start. */
	at_store(&house.admission->shadow_ns, now_ns + 1000, relaxed, none);
	in.grant = kept;
	admission_settle(house.admission);
	assert_int_equal(in.grant.handle, 0);
	assert_int_equal(told_count, 2);
	assert_ptr_equal(told[0].context, &passer);
	assert_ptr_equal(told[1].context, &before);
	release(&house, told[0].grant);
	release(&house, told[1].grant);
	release(&house, zero);
	release(&house, one);
	assert_int_equal(told_count, 3);
	release(&house, told[2].grant);
	pull_down(&house, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_small_ones_does_not_starve_a_large_one),
		cmocka_unit_test(who_has_waited_too_long_claims_its_room),
		cmocka_unit_test(who_may_wait_for_ever_does_not_claim_by_time),
		cmocka_unit_test(a_cancelled_claim_opens_what_it_kept),
		cmocka_unit_test(a_claim_that_moves_opens_what_it_kept),
		cmocka_unit_test(who_fits_beside_a_claim_starts),
		cmocka_unit_test(who_ends_before_the_shadow_may_use_what_is_kept),
		cmocka_unit_test(without_a_rate_nothing_that_is_kept_is_lent),
		cmocka_unit_test(a_claim_is_made_anew_when_limits_change),
		cmocka_unit_test(a_place_that_is_gone_meanwhile_is_not_claimed),
		cmocka_unit_test(what_was_recalled_before_a_claim_was_passed_is_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
