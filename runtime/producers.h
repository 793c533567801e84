/* SPDX-License-Identifier: MIT */
/*
 * producers.h - which thread outside a pool writes to which intake, and how much they may hold in all.
 */
#ifndef WEIR_RUNTIME_PRODUCERS_H
#define WEIR_RUNTIME_PRODUCERS_H

#include "runtime/intake.h"
#include "runtime/pool.h"

struct producers {
	/* Constant. */
	struct slots *store; /* of segments */
	uint32_t lanes_max;
	uint32_t tasks_max;
	/* Which one each thread number has: written by its holder alone (edge thread_index), as caches of slots are. */
	_Atomic(struct intake *) mine[THREADS_MAX + 2];
	_Atomic(struct intake *) *all; /* lanes_max; NULL: not made yet */
	CACHE_ALIGNED _Atomic(uint32_t) made;
	_Atomic(uint64_t) handed_on; /* how often an intake was given up */
	_Atomic(uint64_t) none;	     /* all are made, and when handed_on was one less than this none was free */
};

/* NULL in *out: this pool has none (tasks_max below THREADS_MAX). Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status producers_create(struct producers **out, uint32_t lanes_max, uint32_t tasks_max);
void producers_destroy(struct producers *producers);

/* The calling thread's intake, with a place to write to and leave for at least one call, at most as many as are wanted; NULL: it
 * has none, and submits by the inbox. *full: because of tasks_max. */
struct intake *producers_ask(weir_pool *pool, uint32_t wanted, bool *full);

/* Has the calling thread an intake, perhaps from now on? */
bool producers_have_mine(weir_pool *pool);

/* The calling thread gives its intake to whoever asks next: it is a worker of the pool from now on, or says so. */
void producers_hand_on(weir_pool *pool);

/* Are tasks_max tasks there, some of them in intakes or hands? */
bool producers_are_full(weir_pool *pool);

/* The calling thread's intake; NULL: it has none yet. */
static inline struct intake *producers_mine(weir_pool *pool)
{
	return pool->producers ? at_load(&pool->producers->mine[thread_index_plus_one], relaxed, none) : NULL;
}

/* Has nobody an intake but perhaps the calling thread? To its own pushes it needs no barrier. */
bool producers_only_mine(weir_pool *pool);

/* As producers_ask(), where nothing is to be asked: a few loads. */
static ALWAYS_INLINE struct intake *producers_at_hand(weir_pool *pool)
{
	struct producers *producers = pool->producers;
	if (unlikely(!producers))
		return NULL;
	struct intake *in = at_load(&producers->mine[thread_index_plus_one], relaxed, none);
	return likely(in) && likely(in->left) && likely(intake_is_open(in)) ? in : NULL;
}

#endif
