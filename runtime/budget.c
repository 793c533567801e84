/* SPDX-License-Identifier: MIT */
/*
 * budget.c - how many retries are allowed.
 *
 * Holds:     a count of tokens and the time up to which it was filled.
 * Invariant: U3  retries allowed <= permille of first tries + BUDGET_PER_SECOND x seconds + BUDGET_PER_SECOND.
 * Progress:  lock-free.
 * Together:  deposit and withdraw, from any thread; init excludes both.
 * Not here:  when to retry (retry.c).
 */
#include "runtime/budget.h"

#include <weir/base.h>

enum { TOKEN = 1000 /* thousandths */ };
#define TOKEN_NS (WEIR_NS_PER_S / BUDGET_PER_SECOND)

void budget_init(struct budget *budget, uint32_t permille, uint64_t now_ns)
{
	budget->permille = permille;
	at_init(&budget->thousandths, (uint64_t)BUDGET_PER_SECOND * TOKEN);
	at_init(&budget->filled_ns, now_ns);
}

static void put_in(struct budget *budget, uint64_t thousandths, uint64_t most)
{
	uint64_t there = at_load(&budget->thousandths, relaxed, none);
	uint64_t sum;
	do {
		if (there >= most)
			return;
		sum = there + thousandths < most ? there + thousandths : most;
	} while (!at_cas_weak(&budget->thousandths, &there, sum, relaxed, relaxed, none));
}

void budget_deposit(struct budget *budget)
{
	put_in(budget, (uint64_t)BUDGET_DEPOSIT_EVERY * budget->permille, (uint64_t)BUDGET_TOKENS_MAX * TOKEN);
}

/* Whole tokens' worth of time, by whoever moves the mark on; what time brings is not saved beyond one second's. */
static void fill_by_time(struct budget *budget, uint64_t now_ns)
{
	uint64_t filled = at_load(&budget->filled_ns, relaxed, none);
	uint64_t tokens;
	do {
		tokens = now_ns > filled ? (now_ns - filled) / TOKEN_NS : 0;
		if (!tokens)
			return;
	} while (!at_cas_weak(&budget->filled_ns, &filled, filled + tokens * TOKEN_NS, relaxed, relaxed, none));
	tokens = tokens < BUDGET_PER_SECOND ? tokens : BUDGET_PER_SECOND;
	put_in(budget, tokens * TOKEN, (uint64_t)BUDGET_PER_SECOND * TOKEN);
}

bool budget_withdraw(struct budget *budget, uint64_t now_ns, uint64_t *wait_ns)
{
	*wait_ns = 0;
	if (budget->permille == BUDGET_UNBOUNDED)
		return true;
	fill_by_time(budget, now_ns);
	uint64_t there = at_load(&budget->thousandths, relaxed, none);
	while (there >= TOKEN)
		if (at_cas_weak(&budget->thousandths, &there, there - TOKEN, relaxed, relaxed, none))
			return true;
	uint64_t filled = at_load(&budget->filled_ns, relaxed, none);
	uint64_t since = now_ns > filled ? now_ns - filled : 0;
	*wait_ns = since < TOKEN_NS ? TOKEN_NS - since : 1;
	return false;
}
