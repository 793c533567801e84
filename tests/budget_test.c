/* SPDX-License-Identifier: MIT */
/* budget_test.c - retries are a share of first tries, and a few a second. U3 would fail by one retry too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "house.h"

static uint32_t withdraw_all(struct budget *budget, uint64_t at_ns)
{
	uint32_t allowed = 0;
	uint64_t wait_ns;
	while (allowed < 100000 && budget_withdraw(budget, at_ns, &wait_ns))
		allowed++;
	return allowed;
}

static void the_bucket_holds_a_share_of_first_tries_and_a_floor(void **state)
{
	(void)state;
	const struct {
		uint32_t permille, first_tries;
		uint64_t at_ns;
		uint32_t allowed;
	} cases[] = {
		{100, 0, 0, 10},		      /* the floor, from the start */
		{100, 1000, 0, 110},		      /* and a tenth of the first tries */
		{100, 9, 0, 10},		      /* they are put in by ten */
		{100, 1000000, 0, BUDGET_TOKENS_MAX}, /* kept up to a bound */
		{1000, 500, 0, 510},		      /* every one may be tried twice */
		{1, 1000, 0, 11},		      /* one in a thousand */
		{100, 100, 60 * WEIR_NS_PER_S, 20},   /* a pause saves no more than a second's */
	};
	for (size_t c = 0; c < ARRAY_LENGTH(cases); c++) {
		struct budget budget;
		budget_init(&budget, cases[c].permille, 0);
		for (uint32_t i = 1; i <= cases[c].first_tries; i++)
			if (i % BUDGET_DEPOSIT_EVERY == 0)
				budget_deposit(&budget);
		assert_int_equal(withdraw_all(&budget, cases[c].at_ns), cases[c].allowed);
	}
	struct budget none;
	budget_init(&none, BUDGET_UNBOUNDED, 0);
	assert_int_equal(withdraw_all(&none, 0), 100000);
}

static void time_brings_ten_retries_a_second(void **state)
{
	(void)state;
	struct budget budget;
	uint64_t wait_ns;
	budget_init(&budget, 100, 5);
	assert_int_equal(withdraw_all(&budget, 5), 10);
	assert_false(budget_withdraw(&budget, 5 + 30 * WEIR_NS_PER_MS, &wait_ns));
	assert_int_equal(wait_ns, 70 * WEIR_NS_PER_MS);
	assert_true(budget_withdraw(&budget, 5 + 100 * WEIR_NS_PER_MS, &wait_ns));
	assert_false(budget_withdraw(&budget, 5 + 100 * WEIR_NS_PER_MS, &wait_ns));
	/* A clock that another thread read earlier. */
	assert_false(budget_withdraw(&budget, 0, &wait_ns));
	assert_int_equal(withdraw_all(&budget, 5 + 600 * WEIR_NS_PER_MS), 5);
}

/* U3 at the face: first tries of demands that do not wait fill it, whatever comes of them; who says that it retries pays. */
static void retries_past_the_budget_are_rejected_with_a_time(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"), (weir_admission_options){0});
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 4));
	for (int i = 1; i < 200; i++)
		assert_refused(ask(&house, WEIR_DEMAND(.cores = 1)), WEIR_DEFERRED, WEIR_CAUSE_SHORT, "CPU is short");
	for (int i = 0; i < 30; i++)
		assert_refused(ask(&house, WEIR_DEMAND(.cores = 1, .attempt = 1)), WEIR_DEFERRED, WEIR_CAUSE_SHORT,
			       "CPU is short");
	weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 1, .attempt = 1));
	assert_refused(decision, WEIR_REJECTED, WEIR_CAUSE_RETRIES, "retries");
	assert_int_equal(decision.retry_after_ns, 100 * WEIR_NS_PER_MS);
	/* Who waits in the room is no retry, whatever it says. */
	told_count = 0;
	weir_decision waits = queue(&house, WEIR_DEMAND(.cores = 1, .attempt = 7), NULL);
	assert_int_equal(weir_admission_cancel(house.admission, waits.ticket), WEIR_OK);
	/* A retry that fits is one too many as well: the budget comes first. */
	release(&house, all);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1, .attempt = 1)), WEIR_REJECTED, WEIR_CAUSE_RETRIES,
		       "retries");
	now_ns += 100 * WEIR_NS_PER_MS;
	release(&house, admit(&house, WEIR_DEMAND(.cores = 1, .attempt = 1)));
	pull_down(&house, 200 + 30 + 1 + 1 + 1 + 1);
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.retry_permille = UINT32_MAX});
	all = admit(&house, WEIR_DEMAND(.cores = 4));
	for (int i = 0; i < 5000; i++)
		assert_refused(ask(&house, WEIR_DEMAND(.cores = 1, .attempt = 3)), WEIR_DEFERRED, WEIR_CAUSE_SHORT,
			       "CPU is short");
	release(&house, all);
	pull_down(&house, 5001);
}

enum { THREADS = 8, TRIES = 4000 };

struct shared {
	struct budget budget;
	atomic_uint allowed;
};

static void *hammer(void *argument)
{
	struct shared *shared = argument;
	uint32_t allowed = 0;
	uint64_t wait_ns;
	for (int i = 0; i < TRIES; i++) {
		if (i % BUDGET_DEPOSIT_EVERY == 0)
			budget_deposit(&shared->budget);
		allowed += budget_withdraw(&shared->budget, 0, &wait_ns);
	}
	atomic_fetch_add(&shared->allowed, allowed);
	return NULL;
}

/* U3, with threads: tokens are spent once, and none is lost but those above the bound. */
static void threads_together_get_what_the_budget_has(void **state)
{
	(void)state;
	struct shared shared = {0};
	budget_init(&shared.budget, 100, 0);
	pthread_t thread[THREADS];
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, hammer, &shared), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	uint32_t left = withdraw_all(&shared.budget, 0);
	uint32_t put_in = THREADS * TRIES / BUDGET_DEPOSIT_EVERY + BUDGET_PER_SECOND;
	assert_in_range(atomic_load(&shared.allowed) + left, put_in, put_in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bucket_holds_a_share_of_first_tries_and_a_floor),
		cmocka_unit_test(time_brings_ten_retries_a_second),
		cmocka_unit_test(retries_past_the_budget_are_rejected_with_a_time),
		cmocka_unit_test(threads_together_get_what_the_budget_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
