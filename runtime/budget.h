/* SPDX-License-Identifier: MIT */
/*
 * budget.h - how many retries are allowed: a share of the first tries, and a few a second whatever comes.
 *
 * A bucket of tokens: first tries put in a part of one each, a retry takes one out. Under overload retries are then a
 * bounded addition to the load, and cannot become most of it.
 */
#ifndef WEIR_RUNTIME_BUDGET_H
#define WEIR_RUNTIME_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "private/atomics.h"

enum {
	BUDGET_DEPOSIT_EVERY = 10, /* first tries are put in by so many at once */
	BUDGET_PER_SECOND = 10,	   /* retries that are allowed however few first tries there are */
	BUDGET_TOKENS_MAX = 1000,  /* what is not used is kept, up to here */
	BUDGET_PERMILLE_DEFAULT = 100
};
#define BUDGET_UNBOUNDED UINT32_MAX

struct budget {
	uint32_t permille;	       /* of first tries; BUDGET_UNBOUNDED: every retry is allowed */
	_Atomic(uint64_t) thousandths; /* of tokens */
	_Atomic(uint64_t) filled_ns;   /* until here the share of BUDGET_PER_SECOND was put in */
};

void budget_init(struct budget *budget, uint32_t permille, uint64_t now_ns);

/* BUDGET_DEPOSIT_EVERY first tries. Thread: any; lock-free. */
void budget_deposit(struct budget *budget);

/* One retry. False: there is no token, and there will be one after *wait_ns, if no first tries bring it sooner.
 * Thread: any; lock-free. */
bool budget_withdraw(struct budget *budget, uint64_t now_ns, uint64_t *wait_ns);

#endif
