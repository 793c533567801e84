/* SPDX-License-Identifier: MIT */
/* seed.h - in a test build with a seeded bug: dawdle where it matters, so that the bug shows in seconds. Else nothing. */
#ifndef WEIR_PRIVATE_SEED_H
#define WEIR_PRIVATE_SEED_H

#include "private/atomics.h"

/* A store that stays in the store buffer: with WEIR_SEED_BUG_MEMBARRIER it comes out where SEED_LATE() stands. */
#ifdef WEIR_SEED_BUG_MEMBARRIER
#define SEED_EARLY(store) ((void)sizeof(store, 0))
#define SEED_LATE(store) (seed_dawdle(), (store))
#else
#define SEED_EARLY(store) store
#define SEED_LATE(store) ((void)0)
#endif

#if defined(WEIR_SEED_BUG_UNDO) || defined(WEIR_SEED_BUG_MEMBARRIER)
enum { SEED_PAUSES = 1000, SEED_ONE_IN = 8 };

static inline void seed_dawdle(void)
{
	static _Thread_local uint32_t calls;
	if (++calls % SEED_ONE_IN)
		return;
	for (int i = 0; i < SEED_PAUSES; i++)
		at_pause();
}
#else
static inline void seed_dawdle(void)
{
}
#endif

#endif
