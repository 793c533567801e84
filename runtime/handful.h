/* SPDX-License-Identifier: MIT */
/*
 * handful.h - the calls that a worker has taken at once and not run yet; others may steal them while it is at a long one.
 *
 * Holds:     up to HANDFUL_MAX calls, or one run of them.
 * Invariant: D3  what was put into a hand comes out once: to its owner, or to one thief.
 *            D4  handful_any() is false only if at some moment inside it everything that was put in before had been taken.
 * Progress:  all wait-free; steal and open are one try. A thief that is descheduled while it steals keeps what it reaches for
 *            from the owner, who goes on with other things.
 * Together:                take, open, close   steal   any, count
 *            take...              X              -         -        "-" safe together
 *            steal                -              -         -        "X" one thread: the owner
 * Not here:  where the calls come from, when it is time to steal (route.c), who is woken.
 *
 * Places are counted up for ever. The owner has those from next on, below end. `end` also says, by AT_IT, that somebody changes
 * what the hand holds: a thief, or the owner who fills it.
 *
 *	owner takes n                        thief
 *	next = n + 1                         end: e -> h | AT_IT, by exchange; h in the middle
 *	(a barrier: see below)               a barrier in all threads
 *	n < end: it is mine                  read next: what lies below it is the owner's; from = max(h, next)
 *	else: next = n, not now              copy from .. e - 1; end = from
 *
 * Why D3. Nobody but the thief writes end while AT_IT is set. An owner that loads end after the barrier sees h, and takes
 * nothing from h on; one that loaded it before stored next before, and the thief reads that or more. So what the owner took
 * lies below from. The one that the owner reached for and did not get (n = next - 1 as the thief read it) lies below from as
 * well: it stays, and the owner finds it when end is there again. (It may have put next back before the thief read it: then
 * the thief has that one, and the owner, which sees h until the thief is done, does not.)
 * A fill begins behind all places that ever were, so an exchange by an old look at end fails, or finds next beyond it.
 *
 * The owner's barrier is the one that the thief has put into it (membarrier.h); where there is none, the store of next is an
 * exchange (fenced).
 */
#ifndef WEIR_RUNTIME_HANDFUL_H
#define WEIR_RUNTIME_HANDFUL_H

#include "private/atomics.h"
#include "private/compiler.h"
#include "runtime/call.h"

enum { HANDFUL_MAX = 128, HANDFUL_AT_IT = 1, HANDFUL_ONE = 2 };

struct handful {
	CACHE_ALIGNED _Atomic(uint64_t) next; /* HANDFUL_ONE * place */
	_Atomic(uint64_t) end;		      /* HANDFUL_ONE * place | HANDFUL_AT_IT */
	/* Written between open and close only. */
	uint64_t first; /* the place of call[0], or of the run's first */
	bool is_run;	/* call[0] is one */
	bool fenced;	/* constant: no membarrier here */
	uint64_t top;	/* all places that ever were lie below it */
	CACHE_ALIGNED struct call call[HANDFUL_MAX];
};

void handful_init(struct handful *hand, bool fenced);

/* Owner: the next call, to be run. False: nothing there, or not now. */
static inline bool handful_take(struct handful *hand, struct call *out)
{
	uint64_t next = at_load(&hand->next, relaxed, none);
	if (next >= (at_load(&hand->end, relaxed, none) & ~(uint64_t)HANDFUL_AT_IT))
		return false;
	if (likely(!hand->fenced)) {
		at_store(&hand->next, next + HANDFUL_ONE, relaxed, none);
		/* ORDER(handful): the barrier is handful_steal()'s. */
		at_signal_fence();
	} else {
		/* ORDER(handful): seq_cst, with the thief's exchange of end and its load of next. */
		at_store(&hand->next, next + HANDFUL_ONE, seq_cst, handful);
	}
	/* ORDER(handful): seq_cst, as above. */
	if (unlikely(next >= (at_load(&hand->end, seq_cst, handful) & ~(uint64_t)HANDFUL_AT_IT))) {
		at_store(&hand->next, next, relaxed, none);
		return false;
	}
	uint64_t i = (next - hand->first) / HANDFUL_ONE;
	const struct call *call = hand->is_run ? &hand->call[0] : &hand->call[i];
	out->fn = call->fn;
	out->group = call->group;
	out->argument = hand->is_run ? call_argument(call, i) : call->argument;
	return true;
}

/* Owner: begin to fill an empty hand. False: somebody is at it, or it is not empty. Then write to call[], and close. */
static inline bool handful_open(struct handful *hand)
{
	uint64_t end = at_load(&hand->end, relaxed, none);
	/* ORDER(handful): acquire, pairs with the release in handful_steal(): the thief has read what we overwrite. */
	return !(end & HANDFUL_AT_IT) && at_load(&hand->next, relaxed, none) >= end &&
	       at_cas(&hand->end, &end, end | HANDFUL_AT_IT, acquire, relaxed, handful);
}

/* Owner: end a fill with so many entries of call[] (0: none after all), or one that is a run. Its look at the idle may follow. */
void handful_close(struct handful *hand, uint32_t entries);

/* Steal about half of what a victim has into a hand of one's own that is open. Returns how many entries to close it with. */
uint32_t handful_steal(struct handful *victim, struct handful *mine);

/* Calls in it: a hint. */
static inline uint32_t handful_count(struct handful *hand)
{
	uint64_t end = at_load(&hand->end, relaxed, none) & ~(uint64_t)HANDFUL_AT_IT;
	uint64_t next = at_load(&hand->next, relaxed, none);
	return next < end ? (uint32_t)((end - next) / HANDFUL_ONE) : 0;
}

/* Whether there may be something, or somebody is at it: R of the argument in park.h (D4). */
static inline bool handful_any(struct handful *hand)
{
	/* ORDER(announce): seq_cst, pairs with handful_close(): who fills a hand looks at the idle next. */
	uint64_t end = at_load(&hand->end, seq_cst, announce);
	return (end & HANDFUL_AT_IT) || at_load(&hand->next, seq_cst, announce) < end;
}

#endif
