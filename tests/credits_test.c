/* SPDX-License-Identifier: MIT */
/* credits_test.c - room that a thread keeps at hand. K2, K3, L2, L5: fails if a credit holds more than its part, if a pair
 * that it covers touches the ledger, if somebody is refused, or waits, for what lies in a credit, or if an account of what
 * is held counts it. */
#include <pthread.h>
#include <sched.h>

#include "house.h"
#include "private/membarrier.h"

enum { THREADS = 8 };

static const weir_node_limit limit_of_node[2] = {{.cores = 64, .memory_bytes = 512 * MIB},
						 {.cores = 64, .memory_bytes = 512 * MIB}};

static weir_tracker *make(const weir_limits *limits, bool no_credits)
{
	weir_tracker *tracker;
	assert_int_equal(
		weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:2 core:64 pu:1", .limits = limits,
								   .no_credits = no_credits)),
		WEIR_OK);
	return tracker;
}

static const weir_limits *wide(void)
{
	static weir_limits limits = {.size = sizeof(limits), .node = limit_of_node, .nodes = 2};
	return &limits;
}

static void pair(weir_tracker *tracker, const weir_demand *demand)
{
	weir_grant grant;
	assert_int_equal(weir_tracker_take(tracker, demand, &grant, NULL), WEIR_OK);
	assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
}

static uint64_t word_of(weir_tracker *tracker, uint32_t w)
{
	return at_load(&tracker->ledger.word[w].spare, relaxed, none);
}

static uint64_t kept_on(weir_tracker *tracker, uint32_t node, weir_resource resource)
{
	return word_get(credits_on(&tracker->credits, node), resource);
}

static void destroy(weir_tracker *tracker)
{
	weir_usage usage;
	assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
	assert_int_equal(weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	assert_int_equal(usage.grants, 0);
	assert_true(usage.held.cores == 0 && usage.held.memory_bytes == 0);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

static void a_covered_pair_leaves_the_ledger_alone(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	/* Without and with totals that bind: then one of two words is as little touched as the other. */
	for (int totals = 0; totals < 2; totals++) {
		weir_tracker *tracker =
			make(WEIR_LIMITS(.node = limit_of_node, .nodes = 2, .cores = totals ? 100 : 0), false);
		const weir_demand *demand = WEIR_DEMAND(.cores = 0.5, .memory_bytes = MIB);
		pair(tracker, demand);
		pair(tracker, demand);
		assert_int_equal(kept_on(tracker, 0, WEIR_CPU), 32);
		uint64_t node = word_of(tracker, LEDGER_FIRST_NODE), total = word_of(tracker, LEDGER_TOTAL);
		for (int i = 0; i < 100; i++) {
			weir_grant grant;
			assert_int_equal(weir_tracker_take(tracker, demand, &grant, NULL), WEIR_OK);
			assert_int_equal(kept_on(tracker, 0, WEIR_CPU), 0);
			assert_int_equal(word_of(tracker, LEDGER_FIRST_NODE), node);
			assert_int_equal(word_of(tracker, LEDGER_TOTAL), total);
			weir_usage usage;
			assert_int_equal(weir_tracker_usage(tracker, 0, &usage), WEIR_OK);
			assert_true(usage.held.cores == 0.5 && usage.held.memory_bytes == MIB);
			assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
			assert_int_equal(weir_tracker_give(tracker, grant), WEIR_ESTALE);
		}
		assert_int_equal(word_of(tracker, LEDGER_FIRST_NODE), node);
		/* A name goes out of use with it. */
		assert_int_equal(weir_tracker_allocate(tracker, "job", demand, NULL), WEIR_OK);
		assert_int_equal(weir_tracker_release(tracker, "job"), WEIR_OK);
		assert_int_equal(weir_tracker_release(tracker, "job"), WEIR_ENOENT);
		destroy(tracker);
	}
}

static void nobody_is_refused_what_lies_in_a_credit(void **state)
{
	(void)state;
	weir_tracker *tracker = make(wide(), false);
	const weir_demand *small = WEIR_DEMAND(.cores = 0.5, .memory_bytes = MIB);
	const weir_demand *all =
		WEIR_DEMAND(.cores = 64, .memory_bytes = 512 * MIB, .home = WEIR_NODE(0), .home_only = true);
	weir_grant grant;
	for (int round = 0; round < 3; round++) {
		pair(tracker, small);
		assert_true(weir_tracker_can_allocate(tracker, all));
		pair(tracker, small);
		assert_int_equal(weir_tracker_take(tracker, all, &grant, NULL), WEIR_OK);
		assert_int_equal(kept_on(tracker, 0, WEIR_CPU), 0);
		assert_false(weir_tracker_can_allocate(tracker, all));
		weir_grant second;
		assert_int_equal(weir_tracker_take(tracker, all, &second, NULL), WEIR_EAGAIN);
		assert_int_equal(weir_tracker_give(tracker, grant), WEIR_OK);
	}
	destroy(tracker);
}

/* Somebody waits: what would have been kept goes to him, and while anybody waits nothing is kept. */
static void who_waits_gets_what_would_be_kept(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:64 pu:1"), (weir_admission_options){0});
	weir_grant half, quarter;
	told_count = 0;
	const weir_demand *demand = WEIR_DEMAND(.cores = 1);
	pair(house.tracker, demand);
	pair(house.tracker, demand);
	assert_int_equal(weir_tracker_take(house.tracker, WEIR_DEMAND(.cores = 62), &half, NULL), WEIR_OK);
	assert_int_equal(weir_tracker_take(house.tracker, demand, &quarter, NULL), WEIR_OK);
	(void)queue(&house, WEIR_DEMAND(.cores = 2), NULL);
	/* As long as it takes for the clock to be looked at. */
	for (int i = 0; i < 3000; i++) {
		weir_grant one;
		assert_int_equal(weir_tracker_take(house.tracker, WEIR_DEMAND(.memory_bytes = MIB), &one, NULL),
				 WEIR_OK);
		assert_int_equal(weir_tracker_give(house.tracker, one), WEIR_OK);
		assert_int_equal(credits_on(&house.tracker->credits, 0), 0);
	}
	assert_int_equal(told_count, 0);
	assert_int_equal(weir_tracker_give(house.tracker, quarter), WEIR_OK);
	assert_int_equal(told_count, 1);
	assert_int_equal(weir_tracker_give(house.tracker, half), WEIR_OK);
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(house.tracker, 0, &usage), WEIR_OK);
	assert_true(usage.held.cores == 2);
	assert_int_equal(weir_tracker_audit(house.tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(house.admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(house.tracker), WEIR_OK);
}

static struct house two_houses;

/* As the second who waits is tried, whoever was at its credit is through. */
static int64_t leave_the_credit(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)snapshot;
	(void)node;
	(void)context;
	if (at_load(&two_houses.admission->waiting, relaxed, none) == 2)
		at_store(&slots_cache(&two_houses.tracker->book->slots)->busy, 0, relaxed, none);
	return 0;
}

/* L2, A2: an owner in the middle keeps its credit from the first try of a scan, and not from the second, of somebody else,
 * for whom it is not enough. Fails if the first is not tried again, as nobody gives any more. */
static void what_a_later_try_recalls_is_seen_by_who_was_tried_before(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	struct house *house = &two_houses;
	static const weir_strategy leaving = {.name = "leaving", .score = leave_the_credit};
	build(house, WEIR_TRACKER_OPTIONS(.machine = "numa:2 core:64 pu:1"),
	      (weir_admission_options){.strategy = &leaving});
	weir_grant near, far, all;
	told_count = 0;
	assert_int_equal(weir_tracker_take(house->tracker, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(1)), &far, NULL),
			 WEIR_OK);
	pair(house->tracker, WEIR_DEMAND(.cores = 1));
	pair(house->tracker, WEIR_DEMAND(.cores = 1));
	assert_int_equal(kept_on(house->tracker, 0, WEIR_CPU), 64);
	assert_int_equal(weir_tracker_take(house->tracker, WEIR_DEMAND(.cores = 63), &near, NULL), WEIR_OK);
	at_store(&slots_cache(&house->tracker->book->slots)->busy, (uint32_t)CREDIT_BUSY, relaxed, none);
	weir_decision first = queue(house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true), NULL);
	weir_decision large = queue(house, WEIR_DEMAND(.cores = 64), NULL);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].ticket, first.ticket);
	assert_int_equal(weir_admission_cancel(house->admission, large.ticket), WEIR_OK);
	all = told[0].grant;
	release(house, all);
	assert_int_equal(weir_tracker_give(house->tracker, near), WEIR_OK);
	assert_int_equal(weir_tracker_give(house->tracker, far), WEIR_OK);
	assert_int_equal(weir_tracker_audit(house->tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(house->admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(house->tracker), WEIR_OK);
}

/* Everybody fills what he may; then the next asks for all. */
struct crowd {
	weir_tracker *tracker;
	pthread_barrier_t filled, counted;
	_Atomic(bool) wrong;
};

static void *fill(void *argument)
{
	struct crowd *crowd = argument;
	weir_grant grants[32];
	for (int node = 0; node < 2; node++) {
		weir_demand demand = {.size = sizeof(demand), .cores = 0.5, .home = WEIR_NODE(node)};
		for (int i = 0; i < 32; i++)
			if (weir_tracker_take(crowd->tracker, &demand, &grants[i], NULL))
				at_store(&crowd->wrong, true, relaxed, none);
		for (int i = 0; i < 32; i++)
			if (weir_tracker_give(crowd->tracker, grants[i]))
				at_store(&crowd->wrong, true, relaxed, none);
	}
	pthread_barrier_wait(&crowd->filled);
	pthread_barrier_wait(&crowd->counted);
	return NULL;
}

static void all_credits_are_an_eighth_at_most(void **state)
{
	(void)state;
	/* 64 cores on each node and 100 in all, so 6.25 cores for each node: an eighth of a hundred, shared. */
	struct crowd crowd = {.tracker = make(WEIR_LIMITS(.node = limit_of_node, .nodes = 2, .cores = 100), false)};
	pthread_t threads[4];
	pthread_barrier_init(&crowd.filled, NULL, 5);
	pthread_barrier_init(&crowd.counted, NULL, 5);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill, &crowd), 0);
	pthread_barrier_wait(&crowd.filled);
	uint64_t kept[2] = {kept_on(crowd.tracker, 0, WEIR_CPU), kept_on(crowd.tracker, 1, WEIR_CPU)};
	assert_in_range(kept[0], 0, 400);
	assert_in_range(kept[1], 0, 400);
	assert_true(kept[0] + kept[1] > 0 || !membarrier_ready());
	weir_grant grant;
	assert_int_equal(weir_tracker_take(crowd.tracker, WEIR_DEMAND(.cores = 64), &grant, NULL), WEIR_OK);
	weir_grant rest;
	assert_int_equal(weir_tracker_take(crowd.tracker, WEIR_DEMAND(.cores = 36), &rest, NULL), WEIR_OK);
	assert_int_equal(kept_on(crowd.tracker, 0, WEIR_CPU) + kept_on(crowd.tracker, 1, WEIR_CPU), 0);
	pthread_barrier_wait(&crowd.counted);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_false(at_load(&crowd.wrong, relaxed, none));
	assert_int_equal(weir_tracker_give(crowd.tracker, grant), WEIR_OK);
	assert_int_equal(weir_tracker_give(crowd.tracker, rest), WEIR_OK);
	pthread_barrier_destroy(&crowd.filled);
	pthread_barrier_destroy(&crowd.counted);
	destroy(crowd.tracker);
}

static void without_credits_nothing_is_kept(void **state)
{
	(void)state;
	weir_tracker *tracker = make(wide(), true);
	uint64_t word = word_of(tracker, LEDGER_FIRST_NODE);
	for (int i = 0; i < 5000; i++) {
		pair(tracker, WEIR_DEMAND(.cores = 0.5));
		assert_int_equal(word_of(tracker, LEDGER_FIRST_NODE), word);
	}
	destroy(tracker);
}

/* Two that ask for 30 of 64 cores; six that hold four together, in quarters, of which each would keep a whole one: the two
 * find room only if that is recalled, and nobody is ever refused. */
enum { LARGE = 2, PIECES = 4, ROUNDS = 1500 };

struct race {
	weir_tracker *tracker;
	_Atomic(uint32_t) number, large_left;
	_Atomic(int32_t) pieces_left;
	uint64_t seed;
	_Atomic(uint64_t) refused, contended, wrong;
};

static bool take_in_race(struct race *race, double cores, weir_grant *grant)
{
	/* A millisecond is a long time here: credits are in use again at once. */
	struct slot_cache *cache = slots_cache(&race->tracker->book->slots);
	at_store(&race->tracker->credits.since_ns, 0, relaxed, none);
	at_store(&race->tracker->credits.refused, 0, relaxed, none);
	if (cache)
		cache->skip = 0;
	weir_demand demand = {.size = sizeof(demand), .cores = cores, .home = WEIR_NODE(0), .home_only = true};
	if (weir_tracker_take(race->tracker, &demand, grant, NULL) == WEIR_OK)
		return true;
	/* While another was in the middle of something: that is no refusal. */
	bool contended = strstr(weir_error_text(), "others are taking") != NULL;
	at_add(contended ? &race->contended : &race->refused, 1, relaxed, none);
	return false;
}

static void give_in_race(struct race *race, weir_grant grant)
{
	if (weir_tracker_give(race->tracker, grant))
		at_add(&race->wrong, 1, relaxed, none);
}

static void *race_along(void *argument)
{
	struct race *race = argument;
	uint32_t number = at_add(&race->number, 1, relaxed, none);
	uint64_t random = race->seed + number;
	weir_grant held[PIECES];
	uint32_t count = 0;
	if (number < LARGE) {
		for (int i = 0; i < ROUNDS; i++)
			if (take_in_race(race, 30, held)) {
				(void)sched_yield();
				give_in_race(race, held[0]);
			}
		at_sub(&race->large_left, 1, relaxed, none);
		return NULL;
	}
	while (at_load(&race->large_left, relaxed, none)) {
		uint64_t r = fixture_random(&random);
		if (r & 1 && count < PIECES && at_sub(&race->pieces_left, 1, relaxed, none) > 0) {
			if (take_in_race(race, 0.25, &held[count]))
				count++;
			else
				at_add(&race->pieces_left, 1, relaxed, none);
			continue;
		}
		if (r & 1 && count < PIECES)
			at_add(&race->pieces_left, 1, relaxed, none);
		while (count && (count == PIECES || r & 2)) {
			give_in_race(race, held[--count]);
			at_add(&race->pieces_left, 1, relaxed, none);
		}
		if (!(r >> 8 & 15))
			(void)sched_yield();
	}
	while (count)
		give_in_race(race, held[--count]);
	return NULL;
}

static void within_a_share_nobody_is_refused(void **state)
{
	(void)state;
	struct race race = {.tracker = make(wide(), false),
			    .seed = fixture_seed("within a share"),
			    .large_left = LARGE,
			    .pieces_left = 16};
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_along, &race), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(at_load(&race.wrong, relaxed, none), 0);
	print_message("%llu recalls, %llu contended\n",
		      (unsigned long long)(credits_mode(&race.tracker->credits) / (CREDITS_MODES + 1)),
		      (unsigned long long)at_load(&race.contended, relaxed, none));
	assert_int_equal(at_load(&race.refused, relaxed, none), 0);
	destroy(race.tracker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_covered_pair_leaves_the_ledger_alone),
		cmocka_unit_test(nobody_is_refused_what_lies_in_a_credit),
		cmocka_unit_test(who_waits_gets_what_would_be_kept),
		cmocka_unit_test(what_a_later_try_recalls_is_seen_by_who_was_tried_before),
		cmocka_unit_test(all_credits_are_an_eighth_at_most),
		cmocka_unit_test(without_credits_nothing_is_kept),
		cmocka_unit_test(within_a_share_nobody_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
