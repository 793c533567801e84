/* SPDX-License-Identifier: MIT */
/*
 * floor.h - the bare pair that no tracker can go below: a compare-and-swap that takes if there is room, and a fetch_sub
 * that gives back, on one word.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct floor_word {
	_Alignas(64) _Atomic(uint64_t) used;
};

static inline bool floor_take(struct floor_word *word, uint64_t amount, uint64_t limit)
{
	uint64_t used = atomic_load_explicit(&word->used, memory_order_relaxed);
	do {
		if (used + amount > limit)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&word->used, &used, used + amount, memory_order_acquire,
							memory_order_relaxed));
	return true;
}

static inline void floor_give(struct floor_word *word, uint64_t amount)
{
	atomic_fetch_sub_explicit(&word->used, amount, memory_order_release);
}

#endif
