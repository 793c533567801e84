/* SPDX-License-Identifier: MIT */
/*
 * tally.h - counters that many threads add to and few read: one private line set per thread number, so that an addition
 * is no locked instruction; a shared, atomic set for threads without a number.
 *
 * A sum is exact at rest. Counts of ended threads stay.
 */
#ifndef WEIR_PRIVATE_TALLY_H
#define WEIR_PRIVATE_TALLY_H

#include <stdlib.h>

#include "private/atomics.h"
#include "private/thread.h"

struct tally {
	uint32_t counters;
	_Atomic(_Atomic(uint64_t) *) mine[THREADS_MAX];
	_Atomic(uint64_t) *shared;
};

/* False: no memory. */
static inline bool tally_init(struct tally *tally, uint32_t counters)
{
	tally->counters = counters;
	for (uint32_t i = 0; i < THREADS_MAX; i++)
		at_init(&tally->mine[i], NULL);
	tally->shared = calloc(counters, sizeof(*tally->shared));
	return tally->shared != NULL;
}

static inline void tally_fini(struct tally *tally)
{
	for (uint32_t i = 0; i < THREADS_MAX; i++)
		free(at_load(&tally->mine[i], relaxed, none));
	free(tally->shared);
}

static inline _Atomic(uint64_t) *tally_mine(struct tally *tally, uint32_t index)
{
	_Atomic(uint64_t) *mine = at_load(&tally->mine[index], relaxed, none);
	if (unlikely(!mine)) {
		size_t bytes = (tally->counters * sizeof(*mine) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
		mine = aligned_alloc(CACHE_LINE, bytes);
		if (!mine)
			return NULL;
		for (uint32_t i = 0; i < tally->counters; i++)
			at_init(&mine[i], 0);
		/* ORDER(tally): release, pairs with the acquire in tally_sum(): a reader sees the zeros. */
		at_store(&tally->mine[index], mine, release, tally);
	}
	return mine;
}

/* Returns the new value of the set that was added to. */
static inline uint64_t tally_add(struct tally *tally, uint32_t counter, uint64_t value)
{
	uint32_t index = thread_index();
	_Atomic(uint64_t) *mine = likely(index < THREADS_MAX) ? tally_mine(tally, index) : NULL;
	if (likely(mine)) {
		value += at_load(&mine[counter], relaxed, none);
		/* ORDER(tally): release, pairs with the acquire in tally_sum(): who sees this sees what was counted
		 * before. */
		at_store(&mine[counter], value, release, tally);
		return value;
	}
	/* ORDER(tally): release, as above. */
	return at_add(&tally->shared[counter], value, release, tally) + value;
}

static inline uint64_t tally_sum(struct tally *tally, uint32_t counter)
{
	/* ORDER(tally): acquire, pairs with the release in tally_add(). */
	uint64_t sum = at_load(&tally->shared[counter], acquire, tally);
	for (uint32_t i = 0; i < THREADS_MAX; i++) {
		/* ORDER(tally): acquire, pairs with the releases in tally_mine() and tally_add(). */
		_Atomic(uint64_t) *mine = at_load(&tally->mine[i], acquire, tally);
		if (mine)
			sum += at_load(&mine[counter], acquire, tally);
	}
	return sum;
}

/* All sums at once, into sums[counters]: one walk over the threads. */
static inline void tally_sums(struct tally *tally, uint64_t *sums)
{
	for (uint32_t c = 0; c < tally->counters; c++)
		sums[c] = at_load(&tally->shared[c], relaxed, none);
	for (uint32_t i = 0; i < THREADS_MAX; i++) {
		/* ORDER(tally): acquire, pairs with the release in tally_mine(): a set starts at zero. */
		_Atomic(uint64_t) *mine = at_load(&tally->mine[i], acquire, tally);
		for (uint32_t c = 0; mine && c < tally->counters; c++)
			sums[c] += at_load(&mine[c], relaxed, none);
	}
}

#endif
