/* SPDX-License-Identifier: MIT */
/*
 * chain.h - the next in line, where whoever ends a grant can reach them: a grant is handed on, and the ledger never hears of
 * it.
 *
 * A place (a node) has a chain: at most CHAIN_MAX waiters of one shape, the first of the whole room in the order of service.
 * The holder of the room's token puts them in; who ends a grant of just these units on this place takes the oldest out by one
 * exchange, and the grant is its. What would be given back is what it needs, and nobody is served before it, so a give and a
 * scan would have granted it just the same. The argument is in chain.c.
 */
#ifndef WEIR_RUNTIME_CHAIN_H
#define WEIR_RUNTIME_CHAIN_H

#include "private/compiler.h"
#include "runtime/room.h"
#include "runtime/tracker.h"

enum { CHAIN_MAX = 16 };

struct grant_chain {
	/* tag << 16 | next << 8 | end: slots next .. end - 1 are in it. The tag counts up with each filling and emptying. */
	CACHE_ALIGNED _Atomic(uint64_t) word;
	_Atomic(uint64_t) main; /* what each of them needs */
	_Atomic(uint64_t) counted;
	CACHE_ALIGNED _Atomic(struct waiter *) slot[CHAIN_MAX];
	/* The token holder's. */
	CACHE_ALIGNED uint32_t filled; /* slots that were filled last; 0: nothing is lent, and the rest means nothing */
	uint32_t home;		       /* of the shape, with what follows */
	bool home_only;
	weir_class task_class;
	int32_t priority;
	struct taken taken; /* what a grant of these units took, and from where */
	uint64_t filled_ns;
	uint64_t moved_ns;	      /* when it was last seen that some were taken out; 0: never */
	uint64_t since_ns[CHAIN_MAX]; /* since when the lent ones wait */
};

static inline uint32_t chain_next(uint64_t word)
{
	return (uint32_t)(word >> 8) & 0xff;
}

static inline uint32_t chain_end(uint64_t word)
{
	return (uint32_t)word & 0xff;
}

static inline uint64_t chain_word(uint64_t tag, uint32_t next, uint32_t end)
{
	return tag << 16 | (uint64_t)next << 8 | end;
}

/* Slot `taken` was taken out. Who is behind it comes soon: its lines were written by who submitted it. What is read here may
 * be in use again, but its memory stays what it is. */
static inline void chain_fetch_ahead(struct grant_chain *chain, uint32_t taken, uint32_t end)
{
	if (taken + 2 >= end)
		return;
	const struct waiter *next = at_load(&chain->slot[taken + 1], relaxed, none);
	const char *after = (const char *)at_load(&chain->slot[taken + 2], relaxed, none);
	__builtin_prefetch(at_load(&((struct waiter *)next)->ahead, relaxed, none), 1);
	__builtin_prefetch(after, 1);
	/* What its owner has before it. */
	__builtin_prefetch(after - CACHE_LINE, 1);
}

/* Take the oldest out, if there is one and it needs just these units. NULL: there is none. Its state is still WAITING, or
 * it was cancelled. */
static inline struct waiter *chain_take(struct grant_chain *chain, const struct packed *units)
{
	/* ORDER(chain): acquire, here and in the failed exchange: pairs with the release in chain_fill(): slots and units
	 * are those of this tag, or the exchange fails. */
	uint64_t word = at_load(&chain->word, acquire, chain);
	while (chain_next(word) < chain_end(word)) {
		if (at_load(&chain->main, relaxed, none) != units->main ||
		    at_load(&chain->counted, relaxed, none) != units->counted)
			return NULL;
		struct waiter *waiter = at_load(&chain->slot[chain_next(word)], relaxed, none);
		/* ORDER(chain): acquire, as above: the waiter is whole. */
		if (likely(at_cas_weak(&chain->word, &word, word + chain_word(0, 1, 0), acquire, acquire, chain))) {
			chain_fetch_ahead(chain, chain_next(word), chain_end(word));
			return waiter;
		}
	}
	return NULL;
}

struct weir_admission;
struct batch;

/* The token holder's. ------------------------------------------------------------------------------------------- */

/* Lend the first in line to the chain of a place, if what was taken is just what they need. False: it is not, or there is
 * something that a scan has to decide. */
bool chain_fill(struct weir_admission *admission, uint32_t place, const struct taken *taken);

/* Take everybody back who was lent and not taken out, into their old places in the room; count those out who were. */
void chains_pull_back(struct weir_admission *admission);

/* Is the shape of a waiter lent? Then it does not fit now, and one more of it changes nothing. */
bool chains_hold(const struct weir_admission *admission, const struct waiter *waiter);

/* When was one of the head's shape last handed a grant, so that the head has been the head since then at the earliest?
 * 0: not by a chain. */
uint64_t chains_served_ns(const struct weir_admission *admission, const struct waiter *head);

/* Anybody's. ----------------------------------------------------------------------------------------------------- */

bool chains_init(struct weir_admission *admission, uint32_t nodes);
void chains_fini(struct weir_admission *admission);

/* Of those who wait, how many have been taken out and are not counted out yet. Exact at rest. */
uint64_t chains_taken(struct weir_admission *admission);

/* A grant on this place ends. The next in line gets it: returned, GRANTED, with its grant and node. NULL: nobody did, and it
 * was given back. *kick: somebody may have to be started, call admission_settle_rest() with the batch. *stale: the grant was
 * not live. */
struct waiter *admission_hand_on(struct weir_admission *admission, uint32_t place, weir_grant grant,
				 struct batch *batch, bool *kick, bool *stale);

#endif
