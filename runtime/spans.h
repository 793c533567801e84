/* SPDX-License-Identifier: MIT */
/*
 * spans.h - a range that one worker walks in pieces, and of which it gives half away when somebody is hungry.
 *
 * Holds:     nothing; spans lie in the slots of the worker's forked children.
 * Invariant: F5  each iteration of a range is in exactly one piece; pieces are at least `grain` long.
 *            F6  sums of neighbours are combined, left with right: in the order of the range.
 * Progress:  as a join.
 * Not here:  the verbs (parallel.c, reduce.c), slots (forks.c).
 */
#ifndef WEIR_RUNTIME_SPANS_H
#define WEIR_RUNTIME_SPANS_H

#include <string.h>

#include <weir/fork.h>

#include "runtime/worker.h"

/* What the pieces of one range have in common: a loop, or a reduction. */
struct ranging {
	weir_range_fn fn; /* NULL: a reduction */
	void *argument;	  /* of fn */
	weir_reduction sum;
	size_t stride; /* from one accumulator to the next; 0: no accumulators */
	int64_t begin;
	int64_t end;
	int64_t grain;
	_Atomic(int) error;
	_Atomic(uint32_t) no_memory; /* that is what the error is */
};

/* A part of it in a forked child's slot; what it means is its run function's. */
struct span {
	struct ranging *ranging;
	int64_t begin;
	int64_t end;
	void *sum; /* of who stole it: its accumulator, which who joins frees */
};

_Static_assert(sizeof(struct span) <= WEIR_FORK_BYTES, "a span lies in a slot");

static inline bool ranging_failed(struct ranging *r)
{
	return unlikely(at_load(&r->error, relaxed, none));
}

/* False: something failed before. */
static inline bool ranging_fail(struct ranging *r, weir_status status)
{
	int none = WEIR_OK;
	return at_cas(&r->error, &none, status, relaxed, relaxed, none);
}

/* Accumulators, uninitialised. NULL: there is no memory, which is the range's error then. */
void *ranging_sums(struct ranging *r, size_t count);

/* One piece; it joins what it forked itself, and nothing of what is around it. sum: NULL for a loop. */
void span_run_piece(struct worker *worker, weir_fork_slot *head, struct ranging *r, int64_t begin, int64_t end,
		    void *sum);

/* Walk [begin, end) on the calling worker, whose first free slot is head. sum: NULL for a loop. */
void span_walk(struct worker *worker, weir_fork_slot *head, struct ranging *r, int64_t begin, int64_t end, void *sum);

/* As a spawn, but false if no slot is left. */
static inline bool span_fork(struct worker *worker, weir_fork_slot *head, weir_fork_fn run, const struct span *span)
{
	if (unlikely(head >= worker->forks.end))
		return false;
	head->run = run;
	memcpy(head->data, span, sizeof(*span));
	worker->forks.face.head = head + 1;
	if (unlikely(forks_wants_attention(&worker->forks, head)))
		(void)fork_attend(worker, head + 1);
	return true;
}

/* As a join. NULL: it is the caller's to do; else a thief did it. */
static inline const struct span *span_join(struct worker *worker, weir_fork_slot *slot)
{
	void *result = NULL;
	if (unlikely(forks_join_wants_attention(&worker->forks, slot)))
		result = fork_join(worker, slot);
	worker->forks.face.head = slot;
	return result;
}

/* Whether a range may be run. *length: end - begin, 0 for an empty one. Errors: WEIR_EINVAL. */
weir_status span_check(int64_t begin, int64_t end, int64_t grain, int64_t *length);

/* WEIR_AUTO. */
int64_t span_auto_grain(const weir_pool *pool, int64_t length);

#endif
