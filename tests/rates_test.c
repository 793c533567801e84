/* SPDX-License-Identifier: MIT */
/* rates_test.c - how fast room comes back, and what retry_after says of it. U2: what is counted as released is what was
 * given back; it would fail by an ETA that is off by more than the smoothing explains, on a clock that only the test moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "house.h"

static const char two_small[] = "numa:2 core:4 pu:1";

/* Give a grant back and take it again, `times` times, `every_ns` apart, with a look at the rates after each. */
static weir_grant turn_over(struct house *house, weir_grant grant, const weir_demand *demand, uint32_t times,
			    uint64_t every_ns)
{
	for (uint32_t i = 0; i < times; i++) {
		now_ns += every_ns;
		release(house, grant);
		grant = admit(house, demand);
		rates_sample(&house->admission->rates, house->tracker->book, now_ns);
	}
	return grant;
}

static uint64_t eta(struct house *house, const weir_demand *demand)
{
	struct waiter waiter;
	assert_int_equal(admission_prepare(house->admission, &waiter, demand), WEIR_OK);
	return admission_eta_ns(house->admission, &waiter);
}

static void the_eta_is_what_is_missing_by_what_comes_back(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"), (weir_admission_options){0});
	weir_grant rest = admit(&house, WEIR_DEMAND(.cores = 3));
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
	assert_int_equal(eta(&house, WEIR_DEMAND(.cores = 1)), RATES_UNKNOWN);
	/* A core each 5 ms. */
	one = turn_over(&house, one, WEIR_DEMAND(.cores = 1), 1000, 5 * WEIR_NS_PER_MS);
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 1)), 4 * WEIR_NS_PER_MS, 6 * WEIR_NS_PER_MS);
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 3)), 12 * WEIR_NS_PER_MS, 18 * WEIR_NS_PER_MS);
	release(&house, one);
	assert_int_equal(eta(&house, WEIR_DEMAND(.cores = 1)), 0);
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 2)), 4 * WEIR_NS_PER_MS, 6 * WEIR_NS_PER_MS);
	release(&house, rest);
	pull_down(&house, 1002);
}

/* U2: what comes back past admission counts too, while somebody waits: by handle, by id, by shrinking. It would fail by an ETA
 * that nobody knows, or one as if half of the cores never came back. */
static void what_the_tracker_gives_back_counts_while_somebody_waits(void **state)
{
	(void)state;
	enum { BY_HANDLE, BY_ID, BY_SHRINKING, WAYS };
	for (int way = 0; way < WAYS; way++) {
		struct house house;
		build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
		      (weir_admission_options){.overtaken_ns_max = UINT64_MAX, .aging_ns_max = UINT64_MAX});
		weir_grant rest = admit(&house, WEIR_DEMAND(.cores = 3)), one;
		weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 4), NULL);
		const weir_demand *core = WEIR_DEMAND(.cores = 1);
		for (int i = 0; i < 200; i++) {
			now_ns += WEIR_NS_PER_MS;
			assert_int_equal(way == BY_ID ? weir_tracker_allocate(house.tracker, "it", core, NULL)
						      : weir_tracker_take(house.tracker, core, &one, NULL),
					 WEIR_OK);
			if (way == BY_SHRINKING)
				assert_int_equal(weir_tracker_shrink(house.tracker, one, &(weir_amount){0}), WEIR_OK);
			assert_int_equal(way == BY_ID ? weir_tracker_release(house.tracker, "it")
						      : weir_tracker_give(house.tracker, one),
					 WEIR_OK);
			rates_sample(&house.admission->rates, house.tracker->book, now_ns);
		}
		/* The three that are held, at one each millisecond. */
		assert_in_range(eta(&house, WEIR_DEMAND(.cores = 4)), 2 * WEIR_NS_PER_MS, 4 * WEIR_NS_PER_MS);
		assert_int_equal(weir_admission_cancel(house.admission, waits.ticket), WEIR_OK);
		release(&house, rest);
		pull_down(&house, 2);
	}
}

/* All that is short must come: the slowest says when. And not later than a second. */
static void the_slowest_of_what_is_short_decides_up_to_a_second(void **state)
{
	(void)state;
	struct house house;
	build(&house,
	      WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1",
				   .limits = WEIR_LIMITS(.memory_bytes = 1024 * MIB, .counted = {4},
							 .counted_name = {"gpu"})),
	      (weir_admission_options){0});
	const weir_demand *all = WEIR_DEMAND(.cores = 2, .memory_bytes = 64 * MIB, .counted = {4});
	weir_grant hold = admit(&house, WEIR_DEMAND(.cores = 2, .memory_bytes = 900 * MIB));
	weir_grant gone = turn_over(&house, admit(&house, all), all, 400, 20 * WEIR_NS_PER_MS);
	/* Each 20 ms 2 cores, 64 MiB, 4 gpus. */
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 1)), 8 * WEIR_NS_PER_MS, 12 * WEIR_NS_PER_MS);
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 1, .memory_bytes = 188 * MIB)), 32 * WEIR_NS_PER_MS,
			48 * WEIR_NS_PER_MS);
	assert_in_range(eta(&house, WEIR_DEMAND(.counted = {2})), 8 * WEIR_NS_PER_MS, 12 * WEIR_NS_PER_MS);
	gone = turn_over(&house, gone, all, 10, 5 * WEIR_NS_PER_S);
	assert_int_equal(eta(&house, WEIR_DEMAND(.cores = 4)), RATES_ETA_NS_MAX);
	/* More than there is: no release makes that fit. */
	assert_int_equal(eta(&house, WEIR_DEMAND(.cores = 5)), RATES_UNKNOWN);
	release(&house, hold);
	release(&house, gone);
	pull_down(&house, 412);
}

/* Each node its own, a total the sum of all; a demand goes where its room comes soonest. */
static void nodes_have_rates_of_their_own_and_totals_their_sum(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_small, .limits = WEIR_LIMITS(.cores = 7)),
	      (weir_admission_options){0});
	const weir_demand *slow = WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(0), .home_only = true);
	const weir_demand *fast = WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(1), .home_only = true);
	weir_grant a = admit(&house, slow);
	weir_grant b = admit(&house, fast);
	for (int i = 0; i < 300; i++) {
		b = turn_over(&house, b, fast, 10, WEIR_NS_PER_MS);
		a = turn_over(&house, a, slow, 1, WEIR_NS_PER_MS);
	}
	/* Node 0: 3 cores each 11 ms; node 1: 40 cores each 11 ms. */
	uint64_t on_slow = eta(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(0), .home_only = true));
	uint64_t on_fast = eta(&house, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(1), .home_only = true));
	assert_in_range(on_slow, 8 * WEIR_NS_PER_MS, 13 * WEIR_NS_PER_MS);
	assert_in_range(on_fast, 800 * WEIR_NS_PER_US, 1400 * WEIR_NS_PER_US);
	assert_int_equal(eta(&house, WEIR_DEMAND(.cores = 4)), on_fast);
	const struct rates *rates = &house.admission->rates;
	assert_int_equal(rates_get(rates, 2, WEIR_CPU), rates_get(rates, 0, WEIR_CPU) + rates_get(rates, 1, WEIR_CPU));
	/* One core of node 0 is spare and fits it; the total is short of it. */
	uint64_t in_all = eta(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true));
	assert_in_range(in_all, 200 * WEIR_NS_PER_US, 320 * WEIR_NS_PER_US);
	release(&house, a);
	release(&house, b);
	pull_down(&house, 3302);
}

static void a_burst_is_seen_within_milliseconds_and_a_pause_is_forgotten(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"), (weir_admission_options){0});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 4));
	/* Seldom, for long: a machine's worth each 900 ms. */
	one = turn_over(&house, one, WEIR_DEMAND(.cores = 4), 20, 900 * WEIR_NS_PER_MS);
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 4)), 500 * WEIR_NS_PER_MS, RATES_ETA_NS_MAX);
	one = turn_over(&house, one, WEIR_DEMAND(.cores = 4), 40, WEIR_NS_PER_MS);
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 4)), WEIR_NS_PER_MS, 2 * WEIR_NS_PER_MS);
	release(&house, one);
	now_ns += 2 * WEIR_NS_PER_MS;
	rates_sample(&house.admission->rates, house.tracker->book, now_ns);
	now_ns += 60 * WEIR_NS_PER_S;
	one = admit(&house, WEIR_DEMAND(.cores = 4));
	assert_int_equal(eta(&house, WEIR_DEMAND(.cores = 4)), RATES_UNKNOWN);
	now_ns += 2 * WEIR_NS_PER_MS;
	release(&house, one);
	one = admit(&house, WEIR_DEMAND(.cores = 4));
	/* The first window counts fully. */
	assert_in_range(eta(&house, WEIR_DEMAND(.cores = 4)), 19 * WEIR_NS_PER_MS / 10, 21 * WEIR_NS_PER_MS / 10);
	release(&house, one);
	pull_down(&house, 63);
}

static void who_is_deferred_is_told_the_eta_and_at_least_the_back_off(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"), (weir_admission_options){0});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 4));
	/* No rate is known: back-off alone, by the attempt that the demand says. */
	for (uint32_t attempt = 1; attempt < 12; attempt++) {
		uint64_t full = attempt < 10 ? 10 * WEIR_NS_PER_US << attempt : 10 * WEIR_NS_PER_MS;
		full = full < 10 * WEIR_NS_PER_MS ? full : 10 * WEIR_NS_PER_MS;
		weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 1, .attempt = attempt));
		if (decision.cause == WEIR_CAUSE_SHORT)
			assert_in_range(decision.retry_after_ns, full / 2, full);
		now_ns += WEIR_NS_PER_S; /* the retry budget's floor */
	}
	one = turn_over(&house, one, WEIR_DEMAND(.cores = 4), 200, 40 * WEIR_NS_PER_MS);
	weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 4));
	assert_in_range(decision.retry_after_ns, 35 * WEIR_NS_PER_MS, 45 * WEIR_NS_PER_MS);
	/* An ETA below the back-off does not shorten it. */
	one = turn_over(&house, one, WEIR_DEMAND(.cores = 4), 2000, WEIR_NS_PER_MS);
	decision = ask(&house, WEIR_DEMAND(.cores = 4, .attempt = 20));
	assert_in_range(decision.retry_after_ns, 5 * WEIR_NS_PER_MS, 10 * WEIR_NS_PER_MS);
	release(&house, one);
	pull_down(&house, 1 + 11 + 200 + 1 + 2000 + 1);
}

/* U2, with threads: nothing that was noted is lost. */
enum { THREADS = 8, NOTES = 20000 };

static void *note(void *argument)
{
	struct rates *rates = argument;
	struct taken taken = {.units = {.main = word_put(WEIR_CPU, 3) | word_put(WEIR_MEMORY, 5),
					.counted = word_put(WEIR_COUNTED, 2)},
			      .cpu_node = 0,
			      .memory_node = 1};
	for (int i = 0; i < NOTES; i++)
		rates_note(rates, &taken);
	return NULL;
}

static void no_release_is_lost_between_threads(void **state)
{
	(void)state;
	struct rates rates;
	assert_int_equal(rates_init(&rates, 2, 1), WEIR_OK);
	pthread_t thread[THREADS];
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, note, &rates), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	rates_note_shared(&rates, &(struct taken){.units = {.main = word_put(WEIR_CPU, 1)}});
	uint64_t sums[2 * RATES_ROW];
	tally_sums(&rates.released, sums);
	assert_int_equal(sums[WEIR_CPU], 3 * THREADS * NOTES + 1);
	assert_int_equal(sums[RATES_ROW + WEIR_MEMORY], 5 * THREADS * NOTES);
	assert_int_equal(sums[WEIR_COUNTED], 2 * THREADS * NOTES);
	assert_int_equal(sums[RATES_ROW + WEIR_CPU] + sums[WEIR_MEMORY], 0);
	rates_fini(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_eta_is_what_is_missing_by_what_comes_back),
		cmocka_unit_test(the_slowest_of_what_is_short_decides_up_to_a_second),
		cmocka_unit_test(nodes_have_rates_of_their_own_and_totals_their_sum),
		cmocka_unit_test(a_burst_is_seen_within_milliseconds_and_a_pause_is_forgotten),
		cmocka_unit_test(who_is_deferred_is_told_the_eta_and_at_least_the_back_off),
		cmocka_unit_test(no_release_is_lost_between_threads),
		cmocka_unit_test(what_the_tracker_gives_back_counts_while_somebody_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
