/* SPDX-License-Identifier: MIT */
/*
 * retry.c - who was deferred: when to try again, and whether it still may.
 *
 * Holds:     each thread's deferrals in a row, and its random numbers.
 * Not here:  rates (rates.c), the count of retries (budget.c).
 *
 * The time is the ETA of the room, if releases were seen lately, and at least the back-off: U(1/2, 1] x min(10 ms, 10 us x
 * 2^n), n being the demand's attempt where it says one, else this thread's deferrals in a row.
 */
#include "runtime/admission.h"

#define BACKOFF_NS_MIN (10 * WEIR_NS_PER_US)
#define BACKOFF_NS_MAX (10 * WEIR_NS_PER_MS)

_Thread_local uint32_t retry_deferrals;

/* U(1/2, 1] x most. */
static uint64_t jittered(uint64_t most)
{
	static _Thread_local uint64_t random;
	if (!random)
		random = (uint64_t)(uintptr_t)&random;
	random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return most - (uint64_t)((double)(most / 2) * (double)(random >> 33) / 0x1p31);
}

uint64_t admission_backoff_ns(uint32_t attempt)
{
	uint32_t n = attempt ? attempt : retry_deferrals++;
	return jittered(n < 10 ? BACKOFF_NS_MIN << n : BACKOFF_NS_MAX);
}

uint64_t admission_eta_ns(struct weir_admission *admission, const struct waiter *waiter)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	const struct wish *wish = &waiter->wish;
	uint64_t soonest = RATES_UNKNOWN;
	rates_sample(&admission->rates, admission->tracker->book, clock_now_ns(&admission->clock));
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		if (wish->home_only && n != wish->home)
			continue;
		struct packed floor;
		uint64_t eta = rates_eta_ns(&admission->rates, ledger, &wish->units,
					    admission_floor(admission, waiter->demand.task_class, n, &floor), n);
		soonest = eta < soonest ? eta : soonest;
	}
	return soonest;
}

uint64_t admission_retry_ns(struct weir_admission *admission, const struct waiter *waiter, weir_cause cause)
{
	if (cause == WEIR_CAUSE_CONTENDED)
		return 0;
	uint64_t backoff = admission_backoff_ns(waiter->demand.attempt);
	/* That the waiting room or the book is full says nothing of room. */
	uint64_t eta = cause == WEIR_CAUSE_QUEUE_FULL ? RATES_UNKNOWN : admission_eta_ns(admission, waiter);
	return eta != RATES_UNKNOWN && eta > backoff ? eta : backoff;
}

bool admission_may_retry(struct weir_admission *admission, const struct waiter *waiter, uint64_t *retry_ns)
{
	if (!waiter->demand.attempt) {
		if (tally_add(&admission->tally, COUNT_FIRST_TRIES, 1) % BUDGET_DEPOSIT_EVERY == 0)
			budget_deposit(&admission->budget);
		return true;
	}
	tally_add(&admission->tally, COUNT_RETRIES, 1);
	uint64_t wait_ns;
	if (budget_withdraw(&admission->budget, clock_now_ns(&admission->clock), &wait_ns))
		return true;
	uint64_t backoff = admission_backoff_ns(waiter->demand.attempt);
	*retry_ns = wait_ns > backoff ? wait_ns : backoff;
	return false;
}
